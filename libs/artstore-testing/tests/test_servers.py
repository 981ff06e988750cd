"""An app that ends leaves nothing behind for the test that comes next."""

from __future__ import annotations

import socket
from pathlib import Path
from typing import Any

from artstore_stack.tls import LocalCa
from artstore_testing.servers import running_app


async def _nothing(scope: Any, receive: Any, send: Any) -> None:
    assert scope["type"] == "lifespan"
    for step in ("startup", "shutdown"):
        await receive()
        await send({"type": f"lifespan.{step}.complete"})


def test_a_client_that_never_says_hello_holds_no_server(tmp_path: Path) -> None:
    pair = LocalCa(tmp_path).server("element")
    with running_app(_nothing, certificate=(pair.certificate, pair.key)) as url:
        caller = socket.create_connection(("127.0.0.1", int(url.rpartition(":")[2])), timeout=5)
    with caller:
        assert caller.recv(1) == b""

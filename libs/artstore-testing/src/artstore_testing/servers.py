"""Apps on real sockets, for tests of what HTTP does between two processes."""

from __future__ import annotations

import asyncio
import socket
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, cast

import httpx
import uvicorn
import uvloop

START_SECONDS = 10.0
_GOODBYE_SECONDS = 0.5
_GRACE_SECONDS = 2


class Loop(uvloop.Loop):
    """A TLS client that keeps its connection in a pool does not answer `close_notify`. Without this the server would end
    before that connection does, and leave it to whatever test runs when it is collected."""

    async def create_server(self, *args: Any, **kwargs: Any) -> asyncio.Server:
        if kwargs.get("ssl") is not None:
            kwargs["ssl_shutdown_timeout"] = _GOODBYE_SECONDS
        # Not an asyncio.Server, but the same face; asyncio's own annotations know of no other.
        return cast("asyncio.Server", await super().create_server(*args, **kwargs))


def free_port() -> int:
    """A port that nobody listens on now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


@contextmanager
def running_app(
    app: Any, *, certificate: tuple[Path, Path] | None = None, protocol: type[asyncio.Protocol] | str = "auto"
) -> Iterator[str]:
    """Serves an ASGI app in a thread until the block ends; gives its base URL. `certificate`: (cert, key) files.

    `protocol` is uvicorn's `http`.
    """
    listener = socket.socket()
    listener.bind(("127.0.0.1", 0))
    config = uvicorn.Config(
        app,
        log_config=None,
        access_log=False,
        ws="none",
        http=protocol,
        timeout_graceful_shutdown=_GRACE_SECONDS,
        loop=f"{__name__}:Loop",
        ssl_certfile=str(certificate[0]) if certificate else None,
        ssl_keyfile=str(certificate[1]) if certificate else None,
    )
    server = uvicorn.Server(config)
    thread = threading.Thread(target=server.run, kwargs={"sockets": [listener]}, daemon=True)
    thread.start()
    deadline = time.monotonic() + START_SECONDS
    while not server.started:
        if not thread.is_alive() or time.monotonic() > deadline:
            raise RuntimeError("the test server did not start")
        thread.join(0.01)
    try:
        yield f"{'https' if certificate else 'http'}://127.0.0.1:{listener.getsockname()[1]}"
    finally:
        server.should_exit = True
        thread.join(START_SECONDS)
        listener.close()


def wait_until_ready(url: str, seconds: float = START_SECONDS) -> None:
    """Until a service says that it can do its work: a storage element answers nothing before its disk is recovered."""
    deadline = time.monotonic() + seconds
    while httpx.get(f"{url}/health/ready", timeout=seconds).status_code != httpx.codes.OK:
        if time.monotonic() > deadline:
            raise RuntimeError(f"{url} did not become ready")
        time.sleep(0.01)

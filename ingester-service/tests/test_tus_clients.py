"""tuspy against the service itself, from one replica to the next."""

from __future__ import annotations

import asyncio
import os
from pathlib import Path

from ingester_support import MIB, ElementProcess, Ingester
from tus_clients import Target, tuspy
from tus_support import UPLOADS, sha256


async def test_tuspy_goes_on_with_another_replica(ingester: Ingester, rw: ElementProcess, tmp_path: Path) -> None:
    content = os.urandom(5 * MIB + 1)
    path = tmp_path / "a.bin"
    path.write_bytes(content)
    token = ingester.issuer.token()
    first = Target(f"{ingester.http.base_url}{UPLOADS}", token)
    second = Target(f"{ingester.replica()}{UPLOADS}", token)

    def upload() -> None:
        with tuspy(first, path, MIB, filename="ю.bin", metadata='{"a": 1}') as begun:
            begun.upload(stop_at=2 * MIB)
        url = begun.url.replace(first.endpoint, second.endpoint)
        with tuspy(second, path, MIB, url=url) as again:
            again.upload()

    await asyncio.to_thread(upload)
    assert rw.data() == [content]
    file = ingester.admin.registered[0]
    assert (file["original_filename"], file["metadata"], file["checksum"]) == ("ю.bin", {"a": 1}, sha256(content))

"""A disk that takes long to flush is busy, and not dead: the element goes on saying that it is there."""

from __future__ import annotations

import asyncio
import threading
from typing import Any
from uuid import uuid4

from storage_element.disk.filesystem import RealFileSystem

THREADS = 16
UPLOADS = 20  # more than there are threads
LARGE = 100_000


class Stalling(RealFileSystem):
    """Every flush waits while `stall` is set."""

    def __init__(self) -> None:
        self.stall, self.go_on, self.stalled = False, threading.Event(), threading.Semaphore(0)

    def fsync(self, handle: int) -> None:
        self._wait()
        super().fsync(handle)

    def fdatasync(self, handle: int) -> None:
        self._wait()
        super().fdatasync(handle)

    def _wait(self) -> None:
        if self.stall:
            self.stalled.release()
            self.go_on.wait(30)


async def test_info_readiness_and_metadata_answer_while_every_flush_stalls(make: Any) -> None:
    filesystem = Stalling()
    api = await make.start(filesystem=filesystem)
    file_id = uuid4()
    await api.put(file_id, b"hello")
    filesystem.stall = True
    sizes = [LARGE] * UPLOADS + [1] * UPLOADS  # those that are flushed by themselves, and those that share the log's
    uploads = [asyncio.create_task(api.put(uuid4(), bytes(size))) for size in sizes]
    try:
        for _ in range(THREADS + 1):
            assert await asyncio.to_thread(filesystem.stalled.acquire, timeout=10)
        async with asyncio.timeout(2):  # what admin allows
            for path in (
                "/api/v1/info",
                "/health/ready",
                f"/api/v1/files/{file_id}",
                "/api/v1/files",
                "/api/v1/changes",
            ):
                assert (await api.client.get(path)).status_code == 200
    finally:
        filesystem.go_on.set()
        answers = await asyncio.gather(*uploads)
    assert [answer.status_code for answer in answers] == [201] * len(sizes)

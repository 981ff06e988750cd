"""Commits on a fake disk, and how far they have come."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import Any
from uuid import UUID

from artstore_core.files import Attributes
from element_fake_disk import FakeDisk, as_disk
from element_roots import ONE, change, file_id, put
from storage_element.store.applying import Bounds
from storage_element.store.changes import Change, ChangeKind, Logged
from storage_element.store.checkpoint import Checkpoints
from storage_element.store.commits import Commits
from storage_element.store.workers import Workers

MIB = 1024 * 1024
HELD = 10.0


class Store:
    """Commits on a fake disk."""

    def __init__(self, max_log_bytes: int = 1024 * MIB, bounds: Bounds = Bounds()) -> None:  # noqa: B008
        self.disk = FakeDisk()
        self.heard: list[list[Logged]] = []
        loop = asyncio.get_running_loop()
        self.commits = Commits(as_disk(self.disk), loop, self._logged, max_log_bytes, bounds)
        self.checkpoints = Checkpoints(as_disk(self.disk), self.commits, loop, MIB, 3600)
        self.workers = Workers()
        self.commits.start()

    def _logged(self, group: Sequence[Logged], _seconds: float) -> None:
        self.heard.append(list(group))

    def submit(self, made: Change) -> asyncio.Task[Any]:
        return asyncio.create_task(self.commits.submit(made.file_id, lambda _there: made))

    def add_tag(self, tag: str, number: UUID = ONE) -> asyncio.Task[Any]:
        def decide(there: Attributes | None) -> Change:
            assert there is not None
            return change(ChangeKind.SET, number, revision=there.revision + 1, tags=[*there.tags, tag])

        return asyncio.create_task(self.commits.submit(number, decide))

    async def reached(self, gate: Any) -> None:
        assert await asyncio.to_thread(gate.reached.acquire, timeout=HELD)

    async def first_held(self) -> asyncio.Task[Any]:
        """One change that is being appended, and holds up all that come after it."""
        self.disk.appending.shut()
        task = self.submit(put(file_id(1000)))
        await self.reached(self.disk.appending)
        return task

    async def stop(self) -> None:
        self.disk.appending.open()
        self.disk.applying.open()
        await asyncio.to_thread(self.commits.stop)
        self.workers.close()


async def started(tasks: Sequence[asyncio.Task[Any]]) -> None:
    """Each has come as far as it comes by itself."""
    for _ in range(3):
        await asyncio.sleep(0)
    assert not any(task.done() for task in tasks)

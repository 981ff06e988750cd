"""Fifty rounds at random, on real elements, against a model: no live file is marked deleted, and none is lost."""

from __future__ import annotations

import asyncio
import os
import random
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path
from uuid import UUID

import pytest
from admin_service.registry.elements import ElementUnreachable
from admin_service.registry.syncs import SyncStatus
from artstore_core.elements import ElementInfo
from artstore_core.ids import new_id
from artstore_testing.postgres import Database
from artstore_testing.tokens import TokenIssuer
from sync_elements import Hooked, RealElement, SmallPages, new_file
from sync_support import Registry, registry_on

ROUNDS = 50
SEED = int(os.environ.get("ARTSTORE_TEST_SEED", "20261122"))


@pytest.fixture
async def registry(migrated: Database) -> AsyncIterator[Registry]:
    async with registry_on(migrated) as made:
        yield made


class Fire:
    """Two elements, what lives on them, and everything that may happen meanwhile."""

    def __init__(self, registry: Registry, elements: list[RealElement], rng: random.Random) -> None:
        self.registry, self.elements, self.rng = registry, elements, rng
        self.live: dict[str, set[UUID]] = {element.storage_id: set() for element in elements}
        self.waiting: list[UUID] = []
        self.number = 0
        self.away: set[str] = set()

    async def upload(self, element: RealElement) -> None:
        """Sometimes under an id that was made long before; registered, or not, as by an ingester that died."""
        self.number += 1
        if self.rng.random() < 0.3:
            self.waiting.append(new_id())
        early = self.waiting and self.rng.random() < 0.5
        file_id = self.waiting.pop(self.rng.randrange(len(self.waiting))) if early else new_id()
        await element.put(file_id, new_file(self.number, self.rng))
        self.live[element.storage_id].add(file_id)
        if self.rng.random() < 0.7:
            await self.registry.register(element, file_id)

    async def copy(self, element: RealElement) -> None:
        """The other one claims a file that is this one's, and registered as such."""
        other = next(one for one in self.elements if one is not element)
        rows = sorted(set(await self.registry.rows(element.storage_id)) & self.live[element.storage_id])
        if rows and other.storage_id not in self.away:
            await other.put(self.rng.choice(rows), new_file(self.number, self.rng), b"another")

    async def delete(self, element: RealElement) -> None:
        if self.live[element.storage_id]:
            file_id = self.rng.choice(sorted(self.live[element.storage_id]))
            await element.delete(file_id)
            self.live[element.storage_id].discard(file_id)

    async def change(self, element: RealElement) -> None:
        if self.live[element.storage_id]:
            file_id = self.rng.choice(sorted(self.live[element.storage_id]))
            await element.patch(file_id, {"description": f"changed {self.number}"})

    async def purge(self, element: RealElement) -> None:
        await element.purge()

    async def something(self, element: RealElement) -> None:
        if element.storage_id in self.away:
            return
        doing: list[Callable[[RealElement], Awaitable[None]]] = [
            self.upload, self.upload, self.upload, self.change, self.delete, self.purge, self.copy,
        ]  # fmt: skip
        await self.rng.choice(doing)(element)

    async def disturbed(self, element: RealElement, *, full: bool) -> SyncStatus:
        """A sync with things going on in between, and perhaps an end before its end."""
        trouble = self.rng.choice(["none", "none", "503", "cut", "cancel", "unmount", "restart", "new epoch"])
        at = self.rng.randrange(6)
        asked = 0
        task: asyncio.Task[object] | None = None

        async def before(_name: str, _number: int) -> None:
            nonlocal asked
            asked += 1
            for _ in range(self.rng.randrange(3)):
                await self.something(element)
            if asked - 1 != at:
                return
            if trouble == "503":
                raise ElementUnreachable("it says that it cannot work now")
            if trouble == "cancel" and task is not None:
                task.cancel()
            if trouble == "unmount" and element.storage_id not in self.away:
                self.away.add(element.storage_id)
                await element.lose_disk()
            if trouble == "restart" and element.storage_id not in self.away:
                await element.restart()
            if trouble == "new epoch" and element.storage_id not in self.away:
                await element.new_epoch()

        def mend(_name: str, _number: int, content: bytes) -> bytes:
            return content[: len(content) // 2] if trouble == "cut" and asked - 1 == at else content

        self.registry.lists[element.storage_id] = Hooked(SmallPages(Latest(element), 7), before, mend)
        task = await self.registry.begin(element.storage_id, full=full)
        try:
            return (await task).status
        except asyncio.CancelledError:
            return SyncStatus.INTERRUPTED

    async def none_wrongly_marked(self) -> None:
        for element in self.elements:
            marked = await self.registry.rows(element.storage_id, deleted=True)
            assert not set(marked) & self.live[element.storage_id]

    async def settle(self) -> None:
        """All disks there, one undisturbed sync of each: the registry is what the elements are."""
        for element in self.elements:
            if element.storage_id in self.away:
                await element.find_disk()
                self.away.discard(element.storage_id)
            self.registry.lists[element.storage_id] = element.lists
            sync = await self.registry.sync(element.storage_id)
            assert sync.status is SyncStatus.SUCCEEDED, sync.error
        everywhere = {one.storage_id: await self.registry.rows(one.storage_id) for one in self.elements}
        for element in self.elements:
            truth, rows = await element.truth(), everywhere[element.storage_id]
            assert set(truth) >= self.live[element.storage_id]
            for file_id, file in rows.items():
                assert truth[file_id] == file
            elsewhere = set().union(*(found for name, found in everywhere.items() if name != element.storage_id))
            # A file that the other one's row stands for is not overwritten; no other is missing.
            assert self.live[element.storage_id] <= set(rows) | elsewhere


class Latest:
    """The element's lists as they are now: a restart makes new ones."""

    def __init__(self, element: RealElement) -> None:
        self._element = element

    async def info(self) -> ElementInfo:
        return await self._element.lists.info()

    async def files(self, after: UUID | None, limit: int) -> bytes:
        return await self._element.lists.files(after, limit)

    async def changes(self, after: int, epoch: UUID | None, limit: int) -> bytes:
        return await self._element.lists.changes(after, epoch, limit)


async def test_sync_under_fire(
    registry: Registry, tmp_path: Path, issuer: TokenIssuer, ca_file: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    rng = random.Random(SEED)
    elements = [await RealElement(tmp_path / name, issuer, ca_file, name).start() for name in ("se-one", "se-two")]
    try:
        for element in elements:
            await registry.add(element)
        fire = Fire(registry, elements, rng)
        ended: dict[SyncStatus, int] = {}
        for _ in range(ROUNDS):
            for element in elements:
                for _ in range(rng.randrange(4)):
                    await fire.something(element)
                status = await fire.disturbed(element, full=rng.random() < 0.4)
                ended[status] = ended.get(status, 0) + 1
                await fire.none_wrongly_marked()
            await fire.settle()
        with capsys.disabled():
            counted = ", ".join(f"{count} {status.value}" for status, count in ended.items())
            print(f"\nunder fire: {ROUNDS} rounds (seed {SEED}), {fire.number} uploads, syncs: {counted}")  # noqa: T201
        assert set(ended) == {SyncStatus.SUCCEEDED, SyncStatus.FAILED, SyncStatus.INTERRUPTED}
    finally:
        for element in elements:
            await element.stop()

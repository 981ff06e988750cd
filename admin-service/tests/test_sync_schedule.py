"""When which element is synced: by the clock, and by what is learnt of it."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID, uuid4

import pytest
from admin_service.audit.log import Actor
from admin_service.registry.elements import StorageElement, new_element
from admin_service.registry.schedule import SyncSchedule
from admin_service.registry.sync import Begun, Wanted
from admin_service.registry.syncs import Sync, SyncKind, SyncReason, SyncStatus
from artstore_core.elements import ElementStatus
from artstore_core.errors import AdminUnavailable, NotFound
from sync_support import until

HOUR = timedelta(hours=1)
EPOCH = UUID(int=1)


class Stand:
    """The schedule between a list of elements and somebody who begins syncs, all in memory."""

    def __init__(self) -> None:
        self.now = datetime(2026, 11, 22, 12, tzinfo=UTC)
        self.elements: dict[str, StorageElement] = {}
        self.begun: list[tuple[str, Wanted]] = []
        self.outcome: SyncStatus | Exception = SyncStatus.SUCCEEDED
        self.elsewhere = False
        self.schedule = SyncSchedule(self.rows, self, lambda: self.now, HOUR, self)

    def followed(self, elements: dict[str, datetime | None]) -> None:
        assert set(elements) == set(self.elements)

    @asynccontextmanager
    async def rows(self) -> AsyncIterator[Any]:
        yield self

    async def every(self) -> list[StorageElement]:
        return list(self.elements.values())

    def add(self, storage_id: str = "se-1", **changes: Any) -> None:
        element = new_element(storage_id, f"https://{storage_id}.test", self.now)
        synced: dict[str, Any] = {"synced_epoch": EPOCH, "synced_sequence": 5, "synced_at": self.now}
        heard = {"status": ElementStatus.ONLINE, "epoch": EPOCH, "sequence": 5}
        self.elements[storage_id] = replace(element, **(synced | heard | changes))

    def set(self, storage_id: str = "se-1", **changes: Any) -> None:
        self.elements[storage_id] = replace(self.elements[storage_id], **changes)

    async def begin(self, storage_id: str, wanted: Wanted, *, wait: bool = False) -> Begun:
        assert not wait
        self.begun.append((storage_id, wanted))
        if isinstance(self.outcome, Exception):
            raise self.outcome
        zeros = dict.fromkeys(
            ("files_read", "files_added", "files_updated", "files_deleted", "files_refused", "conflicts", "requests"), 0
        )
        sync = Sync(
            id=uuid4(),
            storage_id=storage_id,
            kind=SyncKind.FULL,
            reason=wanted.reason,
            status=self.outcome,
            requested_by="system",
            started_at=self.now,
            updated_at=self.now,
            ended_at=None,
            refused_examples=[],
            conflict_examples=[],
            error=None,
            **zeros,
        )

        async def end() -> Sync:
            if self.outcome is SyncStatus.SUCCEEDED:
                element = self.elements[storage_id]
                self.set(storage_id, synced_epoch=element.epoch, synced_sequence=element.sequence, synced_at=self.now)
            return sync

        return Begun(sync, None if self.elsewhere else asyncio.create_task(end()))

    async def look(self) -> list[tuple[str, str, bool]]:
        """What a look begins."""
        self.begun = []
        await self.schedule.look()
        for _ in range(3):
            await asyncio.sleep(0)  # what was begun ends
        return [(storage_id, wanted.reason.value, wanted.full) for storage_id, wanted in self.begun]


@pytest.fixture
async def stand() -> Stand:
    return Stand()


async def test_all_online_elements_at_the_start_and_then_every_hour(stand: Stand) -> None:
    stand.add("se-1")
    stand.add("se-2")
    stand.add("se-off", status=ElementStatus.OFFLINE)
    assert await stand.look() == [("se-1", "schedule", False), ("se-2", "schedule", False)]
    assert await stand.look() == []
    stand.now += HOUR - timedelta(seconds=1)
    assert await stand.look() == []
    stand.now += timedelta(seconds=1)
    assert len(await stand.look()) == 2


async def test_element_that_is_back_is_synced_at_once(stand: Stand) -> None:
    stand.add()
    await stand.look()
    stand.set(status=ElementStatus.OFFLINE)
    stand.now += 2 * HOUR
    assert await stand.look() == []
    stand.set(status=ElementStatus.ONLINE)
    assert await stand.look() == [("se-1", "schedule", False)]


async def test_new_element_and_other_epoch_are_due_at_once(stand: Stand) -> None:
    stand.add(synced_epoch=None, synced_sequence=None, synced_at=None)
    assert await stand.look() == [("se-1", "registered", False)]
    stand.set(epoch=UUID(int=2))
    assert await stand.look() == [("se-1", "schedule", False)]


async def test_element_with_changes_is_due_when_the_last_sync_is_old(stand: Stand) -> None:
    stand.add()
    await stand.look()
    stand.set(sequence=9)
    assert await stand.look() == []
    stand.now += timedelta(minutes=5)
    assert await stand.look() == [("se-1", "schedule", False)]


@pytest.mark.parametrize(
    "restored", [{"synced_sequence": 2}, {"synced_sequence": None, "synced_epoch": None, "synced_at": None}], ids=str
)
async def test_database_that_went_back_means_a_walk(stand: Stand, restored: dict[str, Any]) -> None:
    stand.add()
    await stand.look()
    stand.set(status=ElementStatus.OFFLINE, **restored)
    assert await stand.look() == []
    stand.set(status=ElementStatus.ONLINE)
    assert await stand.look() == [("se-1", "restored", True)]
    assert await stand.look() == []


async def test_what_is_asked_for_goes_first_also_before_the_element_is_seen(stand: Stand) -> None:
    by = Actor("user:anna")
    await stand.schedule.ask("se-1", SyncReason.REGISTERED, by)
    assert await stand.look() == []
    stand.add(synced_epoch=None, synced_sequence=None, synced_at=None)
    assert await stand.look() == [("se-1", "registered", True)]
    assert stand.begun[0][1].by == by


async def test_failures_pause_longer_and_longer_and_are_tried_again(stand: Stand) -> None:
    stand.add()
    stand.outcome = SyncStatus.FAILED
    tried = []
    for second in range(600):
        if await stand.look():
            tried.append(second)
        stand.now += timedelta(seconds=1)
    assert tried[:4] == [0, 15, 45, 105]
    stand.outcome = SyncStatus.SUCCEEDED
    stand.now += HOUR
    assert len(await stand.look()) == 1
    assert await stand.look() == []


@pytest.mark.parametrize("error", [AdminUnavailable("away"), NotFound("gone")], ids=["away", "gone"])
async def test_sync_that_cannot_begin_keeps_nobody_else_from_it(stand: Stand, error: Exception) -> None:
    stand.add("se-1")
    stand.add("se-2")
    stand.outcome = error
    assert len(await stand.look()) == 2


async def test_sync_that_runs_elsewhere_is_not_begun_again(stand: Stand) -> None:
    stand.add()
    stand.elsewhere = True
    assert len(await stand.look()) == 1
    assert await stand.look() == []


async def test_removed_elements_are_forgotten(stand: Stand) -> None:
    stand.add()
    await stand.look()
    stand.elements.clear()
    await stand.schedule.ask("se-gone", SyncReason.REGISTERED, Actor("user:anna"))
    stand.now += timedelta(minutes=2)
    assert await stand.look() == []
    assert stand.schedule._known == {}
    assert stand.schedule._asked == {}


async def test_asking_wakes_the_schedule(stand: Stand) -> None:
    running = asyncio.create_task(stand.schedule.run(3600))
    await asyncio.sleep(0.05)
    stand.add()
    stand.begun = []
    await stand.schedule.ask("se-1", SyncReason.REGISTERED, Actor("user:anna"))

    async def begun() -> object:
        return stand.begun

    await until(begun, 5)
    running.cancel()

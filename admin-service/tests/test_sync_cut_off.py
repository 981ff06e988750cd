"""Syncs that are cut off at any step: nothing that lives is marked deleted, and the next sync is right."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AbstractAsyncContextManager
from typing import TypeVar

import pytest
from admin_service.registry.syncs import SyncRows, SyncSession, SyncStatus
from artstore_core.errors import AdminUnavailable
from artstore_core.ids import new_id
from artstore_testing.postgres import Database
from sync_elements import FakeElement, new_file
from sync_support import Registry, hook, is_right, made, nothing_lost, registry_on

T = TypeVar("T")


@pytest.fixture
async def registry(migrated: Database) -> AsyncIterator[Registry]:
    async with registry_on(migrated) as made:
        yield made


class CutSession:
    """Ends before or after the transaction that is numbered so."""

    def __init__(self, session: SyncSession, step: Callable[[], None]) -> None:
        self._session, self._step = session, step
        self.close = session.close

    def transaction(self) -> AbstractAsyncContextManager[SyncRows]:
        self._step()
        return self._session.transaction()

    async def retried(self, work: Callable[[SyncRows], Awaitable[T]]) -> T:
        self._step()

        async def cut_inside(rows: SyncRows) -> T:
            result = await work(rows)
            self._step()  # done, and not committed
            return result

        result = await self._session.retried(cut_inside)
        self._step()
        return result


class Steps:
    """Counts the steps of a sync, and cuts it off at one of them."""

    def __init__(self, cut_at: int) -> None:
        self._left = cut_at

    def __call__(self) -> None:
        self._left -= 1
        if self._left == 0:
            raise asyncio.CancelledError

    @property
    def reached(self) -> bool:
        return self._left <= 0


class CutSessions:
    def __init__(self, registry: Registry, steps: Steps) -> None:
        self._sessions, self._steps = registry.sessions, steps

    async def open(self, storage_id: str, *, wait: bool) -> SyncSession | None:
        session = await self._sessions.open(storage_id, wait=wait)
        return None if session is None else CutSession(session, self._steps)


async def cut_off_at(registry: Registry, element: FakeElement, step: int, *, full: bool) -> bool:
    """Whether the sync had so many steps."""
    steps = Steps(step)

    async def count(_name: str, _number: int) -> None:
        steps()

    hook(registry, element, count)
    registry.syncs = registry.make_syncs(CutSessions(registry, steps))
    try:
        await registry.sync(element.storage_id, full=full)
    except asyncio.CancelledError:
        pass
    finally:
        registry.syncs = registry.make_syncs()
    return steps.reached


async def stir(element: FakeElement, number: int, *, drift: bool) -> None:
    """Something of each kind happens; as many files as before are there afterwards."""
    live = sorted(await element.truth())
    await element.delete(live[0])
    await element.purge()
    await element.delete(live[2])
    await element.patch(live[len(live) // 2], {"description": f"stirred {number}"})
    if drift:
        del element.files[live[1]], element.feed[live[1]]
    for offset in range(3 if drift else 2):
        await element.put(new_id(), new_file(number * 10 + offset))


@pytest.mark.parametrize("full", [False, True], ids=["changes", "full"])
async def test_sync_may_be_cut_off_at_any_step(registry: Registry, full: bool) -> None:
    element, _ = await made(registry, 12)
    step = 1
    while True:
        await stir(element, step, drift=full)
        reached = await cut_off_at(registry, element, step, full=full)
        await nothing_lost(registry, element)
        await is_right(registry, element, full=full)
        if not reached:
            break
        step += 1
    assert step > (15 if full else 5)
    statuses = {sync.status for sync in await registry.history(element.storage_id)}
    assert statuses == {SyncStatus.SUCCEEDED, SyncStatus.INTERRUPTED}


async def test_first_sync_may_be_cut_off_at_any_step(registry: Registry) -> None:
    step, reached = 1, True
    while reached:
        element = FakeElement(f"se-{step}", f"https://se-{step}.test")
        await registry.add(element)
        for number in range(7):
            await element.put(new_id(), new_file(number))
        reached = await cut_off_at(registry, element, step, full=False)
        await is_right(registry, element)
        step += 1
    assert step > 15


class LostSession(CutSession):
    """The database goes away for it alone, once it has begun."""

    def __init__(self, session: SyncSession) -> None:
        super().__init__(session, self._lose)
        self._begun = False
        self.close = self._close

    def _lose(self) -> None:
        if self._begun:
            raise AdminUnavailable("The database cannot be reached now")
        self._begun = True

    async def _close(self) -> None:
        await self._session.close()
        raise AdminUnavailable("The database cannot be reached now")


class LostSessions:
    def __init__(self, registry: Registry) -> None:
        self._sessions = registry.sessions

    async def open(self, storage_id: str, *, wait: bool) -> SyncSession | None:
        session = await self._sessions.open(storage_id, wait=wait)
        return None if session is None else LostSession(session)


async def test_sync_whose_connection_is_lost_is_counted_as_over(registry: Registry) -> None:
    element, _ = await made(registry, 3)
    registry.syncs = registry.make_syncs(LostSessions(registry))
    with pytest.raises(AdminUnavailable):
        await registry.sync(element.storage_id)
    assert registry.figures.get_sample_value("artstore_syncs_running") == 0
    labels = {"storage_id": element.storage_id, "kind": "changes", "status": "interrupted"}
    assert registry.figures.get_sample_value("artstore_syncs_total", labels) == 1
    assert (await registry.history(element.storage_id))[0].status is SyncStatus.INTERRUPTED
    registry.syncs = registry.make_syncs()
    await is_right(registry, element)

"""A rebuild of more elements than one process may have connections for (requirement R5)."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from contextlib import AbstractAsyncContextManager
from typing import TypeVar

from admin_service.audit.log import SYSTEM
from admin_service.db.syncs import CONNECTIONS
from admin_service.registry.rebuilding import Rebuilding
from admin_service.registry.syncs import SyncRows, SyncSession
from artstore_core.ids import new_id
from artstore_testing.postgres import Database
from sync_elements import FakeElement, new_file
from sync_support import Registry, registry_on

T = TypeVar("T")
ELEMENTS = CONNECTIONS + 4


class CountedSessions:
    """`most`: how many were open, or wanted to be, at the same time."""

    def __init__(self, registry: Registry) -> None:
        self._sessions = registry.sessions
        self.now = self.most = 0

    async def open(self, storage_id: str, *, wait: bool) -> SyncSession | None:
        self.now += 1
        self.most = max(self.most, self.now)
        session = await self._sessions.open(storage_id, wait=wait)
        assert session is not None
        return CountedSession(session, self)


class CountedSession:
    def __init__(self, session: SyncSession, counted: CountedSessions) -> None:
        self._session, self._counted = session, counted

    def transaction(self) -> AbstractAsyncContextManager[SyncRows]:
        return self._session.transaction()

    async def retried(self, work: Callable[[SyncRows], Awaitable[T]]) -> T:
        return await self._session.retried(work)

    async def close(self) -> None:
        await self._session.close()
        self._counted.now -= 1


async def test_more_elements_than_connections_are_rebuilt_all_the_same(migrated: Database) -> None:
    """A sync has its connection from its begin to its end, and whoever waits for one for two seconds is refused."""
    async with registry_on(migrated) as registry:
        await registry.run("DELETE FROM storage_elements")
        for number in range(ELEMENTS):
            element = FakeElement(f"se-many-{number}", f"https://se-many-{number}.test")
            await element.put(new_id(), new_file(number))
            await registry.add(element)
        sessions, told = CountedSessions(registry), list[str]()
        syncs = registry.make_syncs(sessions)
        rebuilding = Rebuilding(registry.store.element_rows, registry.store.sync_history, syncs, told.append)
        assert await rebuilding.run(None, reset=False, by=SYSTEM), told
        assert len(await registry.run("SELECT FROM files")) == ELEMENTS
        assert sessions.most < CONNECTIONS

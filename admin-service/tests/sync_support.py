"""What the tests of syncs share: the registry that follows elements (sync_elements)."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from datetime import timedelta
from typing import Any
from uuid import UUID

import asyncpg
from admin_service.audit.log import SYSTEM, Journal
from admin_service.db.engine import Database as Store
from admin_service.db.syncs import Sessions, sync_engine
from admin_service.identity.clock import system_clock
from admin_service.registry.elements import StorageElement, new_element
from admin_service.registry.files import RegisteredFile, register
from admin_service.registry.sync import Syncs, Wanted
from admin_service.registry.sync_gauges import SyncGauges
from admin_service.registry.syncs import ElementLists, Sync, SyncReason, SyncSessions, SyncStatus
from artstore_core.files import File
from artstore_core.ids import new_id
from artstore_postgres.engine import make_engine
from artstore_testing.postgres import OWNER, Database
from prometheus_client import CollectorRegistry
from sync_elements import AnElement, FakeElement, Hook, Hooked, SmallPages, new_file


class Registry:
    """Admin's side: the database, and syncs of elements that are given as lists."""

    def __init__(self, database: Database) -> None:
        self.database = database
        self.store = Store(make_engine(database.url("artstore_admin"), application="test", pool_size=4))
        self.sessions = Sessions(sync_engine(database.url("artstore_admin"), "test"))
        self.figures = CollectorRegistry()
        self.gauges = SyncGauges(self.figures)
        self.lists: dict[str, ElementLists] = {}
        self.syncs = self.make_syncs()

    def make_syncs(self, sessions: SyncSessions | None = None) -> Syncs:
        return Syncs(
            sessions or self.sessions,
            self.store.sync_history,
            lambda element: self.lists[element.storage_id],
            Journal(system_clock),
            system_clock,
            self.gauges,
            full_every=timedelta(days=7),
        )

    async def add(self, element: AnElement) -> None:
        self.lists[element.storage_id] = element.lists
        async with self.store.transaction() as rows:
            await rows.elements.put(new_element(element.storage_id, element.url, system_clock()))

    async def begin(self, storage_id: str, *, full: bool = False, **wanted: Any) -> asyncio.Task[Sync]:
        given: dict[str, Any] = {"reason": SyncReason.SCHEDULE, "by": SYSTEM} | wanted
        begun = await self.syncs.begin(storage_id, Wanted(full=full, **given))
        assert begun.task is not None
        return begun.task

    async def sync(self, storage_id: str, *, full: bool = False, **wanted: Any) -> Sync:
        return await (await self.begin(storage_id, full=full, **wanted))

    async def element(self, storage_id: str) -> StorageElement:
        async with self.store.transaction() as rows:
            found = await rows.elements.get(storage_id)
        assert found is not None
        return found

    async def history(self, storage_id: str) -> list[Sync]:
        async with self.store.transaction() as rows:
            return list((await rows.syncs.page(storage_id, limit=1000, offset=0))[0])

    async def run(self, statement: str, *values: Any, role: str = OWNER) -> list[asyncpg.Record]:
        connection = await asyncpg.connect(self.database.url(role))
        try:
            return list(await connection.fetch(statement, *values))
        finally:
            await connection.close()

    async def rows(self, storage_id: str, *, deleted: bool = False) -> dict[UUID, dict[str, Any]]:
        """The registry's rows of an element, as JSON says them; those that are deleted only on wish."""
        wanted = "status = 'deleted'" if deleted else "status <> 'deleted'"
        found = await self.run(f"SELECT * FROM files WHERE storage_element_id = $1 AND {wanted}", storage_id)
        files = (File.model_validate(dict(row) | {"metadata": json.loads(row["metadata"])}) for row in found)
        return {file.file_id: file.model_dump(mode="json") for file in files}

    async def register(self, element: AnElement, file_id: UUID) -> None:
        """As the ingester does after an upload."""
        file = (await element.truth())[file_id]
        async with self.store.transaction() as rows:
            await register(rows.files, RegisteredFile.model_validate(file | {"storage_element_id": element.storage_id}))

    async def close(self) -> None:
        await self.syncs.close()
        await self.sessions.dispose()
        await self.store.close()


@asynccontextmanager
async def registry_on(database: Database) -> AsyncIterator[Registry]:
    registry = Registry(database)
    try:
        yield registry
    finally:
        await registry.close()


async def until(holds: Callable[[], Awaitable[object]], seconds: float = 60) -> None:
    """Asks again until it holds: another process does it, and tells nobody."""
    async with asyncio.timeout(seconds):
        while not await holds():  # noqa: ASYNC110
            await asyncio.sleep(0.01)


PAGE = 3


async def made(registry: Registry, count: int = 10) -> tuple[FakeElement, list[UUID]]:
    """An element whose files the registry has."""
    element = FakeElement()
    await registry.add(element)
    ids = [new_id() for _ in range(count)]
    for number, file_id in enumerate(ids):
        await element.put(file_id, new_file(number))
    await registry.sync(element.storage_id)
    return element, ids


def hook(
    registry: Registry, element: FakeElement, before: Hook, mend: Callable[[str, int, bytes], bytes] | None = None
) -> Hooked:
    hooked = Hooked(SmallPages(element.lists, PAGE), before, mend)
    registry.lists[element.storage_id] = hooked
    return hooked


async def is_right(registry: Registry, element: FakeElement, *, full: bool = False) -> None:
    """After one more sync, with nothing in its way."""
    registry.lists[element.storage_id] = element.lists
    sync = await registry.sync(element.storage_id, full=full)
    assert sync.status is SyncStatus.SUCCEEDED, sync.error
    assert await registry.rows(element.storage_id) == await element.truth()
    assert await registry.run("SELECT * FROM sync_absent") == []
    assert await registry.run("SELECT * FROM syncs WHERE status = 'running'") == []


async def nothing_lost(registry: Registry, element: FakeElement) -> None:
    marked = await registry.rows(element.storage_id, deleted=True)
    assert not set(marked) & set(await element.truth())

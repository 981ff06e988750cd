"""Removing from a store that hangs or refuses: nobody else waits for it."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from artstore_core.errors import StorageUnavailable
from artstore_core.ids import new_id
from artstore_postgres.engine import make_engine
from render_service.db.changes import remove
from render_service.db.engine import Database
from render_service.db.removals import RemovalRows
from render_service.disk.store import DirectoryStore
from render_support import Bench


class SlowStore(DirectoryStore):
    """Hangs until it is let go on."""

    def __init__(self, root: Path) -> None:
        super().__init__(root)
        self.begun, self.goes_on = asyncio.Event(), asyncio.Event()

    async def remove_all(self, prefix: str) -> None:
        self.begun.set()
        await self.goes_on.wait()
        await super().remove_all(prefix)


class RefusingStore(DirectoryStore):
    """Refuses one prefix."""

    refused = ""

    async def remove_all(self, prefix: str) -> None:
        if prefix == self.refused:
            raise StorageUnavailable("not this one")
        await super().remove_all(prefix)


@pytest.fixture
async def rows(bench: Bench) -> AsyncIterator[Database]:
    made = Database(make_engine(bench.database.url("artstore_render"), application="test", pool_size=2))
    yield made
    await made.close()


async def removed(rows: Database, *prefixes: str) -> None:
    for prefix in prefixes:  # one after another: each is due a little later
        async with rows.transaction() as connection:
            await remove(connection, [prefix])


def new_prefix() -> str:
    return f"{new_id()}/{new_id()}/0/"


async def test_a_store_that_hangs_holds_up_no_follower_of_the_registry(
    bench: Bench, rows: Database, tmp_path: Path
) -> None:
    """The outbox is read up to the oldest transaction that runs: one that waits for a store would hide every event."""
    store = SlowStore(tmp_path)
    await removed(rows, new_prefix())
    removing = asyncio.create_task(RemovalRows(rows).next(store))
    await store.begun.wait()
    running = "SELECT FROM pg_stat_activity WHERE backend_xid IS NOT NULL AND datname = current_database()"
    assert await bench.fetch(running) == []
    store.goes_on.set()
    assert await removing
    assert await bench.fetch("SELECT FROM render.removals") == []


async def test_what_cannot_be_removed_stands_in_nobodys_way(bench: Bench, rows: Database, tmp_path: Path) -> None:
    store, removals = RefusingStore(tmp_path), RemovalRows(rows)
    store.refused = new_prefix()
    await removed(rows, store.refused, new_prefix())
    with pytest.raises(StorageUnavailable):
        await removals.next(store)
    assert await removals.next(store)
    assert not await removals.next(store)
    left = await bench.fetch("SELECT prefix, due > now() AS later FROM render.removals")
    assert [(one["prefix"], one["later"]) for one in left] == [(store.refused, True)]


async def test_what_is_wanted_gone_again_meanwhile_stays_due(bench: Bench, rows: Database, tmp_path: Path) -> None:
    store, prefix = SlowStore(tmp_path), new_prefix()
    await removed(rows, prefix)
    removing = asyncio.create_task(RemovalRows(rows).next(store))
    await store.begun.wait()
    await removed(rows, prefix)  # a run that was thought dead has written there
    store.goes_on.set()
    assert await removing
    assert [one["prefix"] for one in await bench.fetch("SELECT prefix FROM render.removals")] == [prefix]

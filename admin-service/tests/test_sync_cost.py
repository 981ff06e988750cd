"""A sync costs work in proportion to what changed, however large the registry is."""

from __future__ import annotations

from collections.abc import AsyncIterator
from datetime import UTC, datetime

import pytest
from admin_service.registry.syncs import SyncKind, SyncStatus
from artstore_core.files import File
from artstore_core.ids import new_id
from artstore_testing.postgres import Database
from sync_elements import FakeElement, new_file
from sync_support import Registry, registry_on

LARGE = 20_000
CHANGES = 100


@pytest.fixture
async def registry(migrated: Database) -> AsyncIterator[Registry]:
    async with registry_on(migrated) as made:
        yield made


def large_element() -> FakeElement:
    element = FakeElement()
    said = File.model_validate(
        {"file_id": new_id(), "size": 1, "checksum": "0" * 64, "uploaded_at": datetime.now(UTC)}
        | {"retention_policy": "permanent"}
        | new_file(1)
    ).model_dump(mode="json")
    for _ in range(LARGE):
        file_id = new_id()
        element.set(file_id, said | {"file_id": str(file_id)})
    return element


async def rows_read(registry: Registry) -> int:
    """Rows of `files` that were fetched until now, by whatever plan. Counts are told when a backend is idle, at the
    latest after a second; the session that asks first tells its own."""
    await registry.sessions.dispose()
    found = await registry.run(
        "SELECT coalesce(seq_tup_read, 0) + coalesce(idx_tup_fetch, 0) AS read FROM pg_stat_user_tables WHERE relname = 'files'"
    )
    return int(found[0]["read"])


async def test_hundred_changes_on_a_large_registry(registry: Registry) -> None:
    element = large_element()
    await registry.add(element)
    assert (await registry.sync(element.storage_id)).files_added == LARGE
    ids = sorted(element.files)
    for number, file_id in enumerate(ids[:: LARGE // CHANGES]):
        if number % 3:
            await element.patch(file_id, {"description": "changed"})
        else:
            await element.delete(file_id)
    before = await rows_read(registry)
    sync = await registry.sync(element.storage_id)
    assert (sync.kind, sync.status, sync.files_read) == (SyncKind.CHANGES, SyncStatus.SUCCEEDED, CHANGES)
    assert sync.requests == 2
    assert CHANGES <= await rows_read(registry) - before <= 4 * CHANGES
    assert await registry.rows(element.storage_id) == await element.truth()


async def test_nothing_changed_reads_next_to_nothing(registry: Registry) -> None:
    element = large_element()
    await registry.add(element)
    await registry.sync(element.storage_id)
    before = await rows_read(registry)
    sync = await registry.sync(element.storage_id)
    assert (sync.requests, sync.files_read) == (2, 0)
    assert await rows_read(registry) - before <= 1


async def test_page_is_one_statement_however_many_files(registry: Registry) -> None:
    element = large_element()
    await registry.add(element)
    await registry.run("CREATE EXTENSION IF NOT EXISTS pg_trgm")
    before = await registry.run("SELECT pg_current_xact_id()::text::bigint AS number")
    await registry.sync(element.storage_id)
    after = await registry.run("SELECT pg_current_xact_id()::text::bigint AS number")
    # One transaction a page, its savepoint, and a few around them.
    assert after[0]["number"] - before[0]["number"] <= 2 * (LARGE // 1000) + 20

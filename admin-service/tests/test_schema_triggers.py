"""The registry's triggers: no change without its event, no event without a change, and usage that is always the sum."""

from __future__ import annotations

import asyncio
import random
from collections.abc import AsyncIterator
from typing import Any
from uuid import UUID

import asyncpg
import pytest
from artstore_core.ids import new_id
from artstore_testing.postgres import Database
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from schema_support import INSERT, UPSERT, connected, counted, events, usage, write

ALICE, BOB = "sa:alice", "user:bob"


@pytest.fixture
async def owner(migrated: Database) -> AsyncIterator[asyncpg.Connection[Any]]:
    async with connected(migrated) as connection:
        await events(connection)
        yield connection


async def one(connection: asyncpg.Connection[Any], **given: Any) -> UUID:
    file_id = new_id()
    await write(connection, INSERT, [(file_id, given.get("size", 5), ALICE, given.get("status", "active"))])
    return file_id


async def test_a_file_that_comes_changes_and_goes(owner: asyncpg.Connection[Any]) -> None:
    file_id = await one(owner)
    assert await events(owner) == [("file.registered", str(file_id))]
    await owner.execute("UPDATE files SET description = 'x', revision = 2 WHERE file_id = $1", file_id)
    assert await events(owner) == [("file.changed", str(file_id))]
    await owner.execute("UPDATE files SET status = 'deleted' WHERE file_id = $1", file_id)
    assert await events(owner) == [("file.deleted", str(file_id))]
    await owner.execute("UPDATE files SET status = 'active' WHERE file_id = $1", file_id)
    assert await events(owner) == [("file.changed", str(file_id))]
    await owner.execute("DELETE FROM files WHERE file_id = $1", file_id)
    assert await events(owner) == [("file.deleted", str(file_id))]


async def test_what_changes_nothing_leaves_no_event(owner: asyncpg.Connection[Any]) -> None:
    file_id = await one(owner)
    await events(owner)
    await owner.execute("UPDATE files SET updated_at = now(), status = status")
    await owner.execute("UPDATE files SET size = size WHERE false")
    await owner.execute("DELETE FROM files WHERE false")
    assert await events(owner) == []
    await owner.execute("UPDATE files SET status = 'deleted' WHERE file_id = $1", file_id)
    await events(owner)
    await owner.execute("DELETE FROM files")
    assert await events(owner) == []  # it was deleted before, and was said to be


async def test_a_rollback_leaves_neither_event_nor_usage(owner: asyncpg.Connection[Any]) -> None:
    transaction = owner.transaction()
    await transaction.start()
    await one(owner)
    await transaction.rollback()
    assert await events(owner) == []
    assert await usage(owner) == {}


async def test_an_upsert_tells_what_came_from_what_changed(owner: asyncpg.Connection[Any]) -> None:
    known, new = await one(owner), new_id()
    await events(owner)
    await write(owner, UPSERT, [(known, 7, ALICE, "active"), (new, 9, BOB, "active")])
    assert sorted(await events(owner)) == [("file.changed", str(known)), ("file.registered", str(new))]
    assert await usage(owner) == {ALICE: (1, 7), BOB: (1, 9)}


async def test_a_bulk_of_rows_is_one_event_each(owner: asyncpg.Connection[Any]) -> None:
    files = [(new_id(), 1, ALICE, "active") for _ in range(1000)]
    await write(owner, INSERT, files)
    assert {subject for _, subject in await events(owner)} == {str(file_id) for file_id, *_ in files}
    assert await usage(owner) == {ALICE: (1000, 1000)}
    assert await owner.fetchval("SELECT count(*) FROM account_usage_changes") == 1


async def test_an_element_leaves_events_only_of_what_readers_care_for(owner: asyncpg.Connection[Any]) -> None:
    await owner.execute("UPDATE storage_elements SET used_bytes = 5, checked_at = now() WHERE storage_id = 'se-rw-1'")
    assert await events(owner) == []
    await owner.execute("UPDATE storage_elements SET status = 'online', mode = 'rw' WHERE storage_id = 'se-rw-1'")
    assert await events(owner) == [("element.changed", "se-rw-1")]
    await owner.execute("DELETE FROM storage_elements WHERE storage_id = 'se-rw-1'")
    assert await events(owner) == [("element.deleted", "se-rw-1")]


async def test_query_marks_a_file_deleted_and_nothing_else(owner: asyncpg.Connection[Any], migrated: Database) -> None:
    file_id = await one(owner)
    await events(owner)
    mark = "SELECT artstore_mark_deleted($1, $2)"
    async with connected(migrated, "artstore_query") as query:
        assert await query.fetchval(mark, file_id, "se-edit-1") is False
        assert await query.fetchval(mark, file_id, "se-rw-1") is True
        assert await query.fetchval(mark, file_id, "se-rw-1") is False
    assert await events(owner) == [("file.deleted", str(file_id))]
    assert await usage(owner) == {}


async def test_registering_a_file_settles_its_reservation_in_the_same_transaction(
    owner: asyncpg.Connection[Any],
) -> None:
    files = [(new_id(), 5, ALICE, "active") for _ in range(3)]
    for file_id, *_ in files:
        await owner.execute(
            "INSERT INTO quota_reservations VALUES ($1, $2, 5, now() + interval '1 hour')", file_id, ALICE
        )
    await write(owner, INSERT, files[:2])
    left = await owner.fetch("SELECT file_id FROM quota_reservations")
    assert [row["file_id"] for row in left] == [files[2][0]]


_STATUS = st.sampled_from(["active", "expired", "damaged", "deleted"])
_WHO = st.sampled_from([ALICE, BOB, "sa:carol"])
_PLACE, _SIZE = st.integers(0, 7), st.integers(0, 100)
_FILE = st.tuples(_PLACE, _SIZE, _WHO, _STATUS)
_STEP = st.one_of(
    st.tuples(st.just("upsert"), st.lists(_FILE, min_size=1, max_size=6, unique_by=lambda file: file[0])),
    st.tuples(st.just("update"), _STATUS, _STATUS),
    st.tuples(st.just("resize"), _PLACE, _SIZE),
    st.tuples(st.just("give"), _WHO, _WHO),
    st.tuples(st.just("delete"), _WHO),
    st.tuples(st.just("fold"), st.integers(1, 3)),
    st.tuples(st.just("rollback"), _FILE),
)
_IDS = [UUID(int=number) for number in range(8)]


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(steps=st.lists(_STEP, max_size=12))
async def test_usage_is_the_sum_after_any_sequence(
    owner: asyncpg.Connection[Any], steps: list[tuple[Any, ...]]
) -> None:
    await owner.execute("TRUNCATE files, account_usage_totals, account_usage_changes")
    for step in steps:
        await _take(owner, step)
        assert await usage(owner) == await counted(owner)
    while await owner.fetchval("SELECT artstore_fold_usage(100)"):
        pass
    assert await usage(owner) == await counted(owner)
    assert await owner.fetchval("SELECT count(*) FROM account_usage_changes") == 0


async def _take(owner: asyncpg.Connection[Any], step: tuple[Any, ...]) -> None:
    match step:
        case ("upsert", files):
            await write(owner, UPSERT, [(_IDS[place], *rest) for place, *rest in files])
        case ("update", before, after):
            await owner.execute("UPDATE files SET status = $2 WHERE status = $1", before, after)
        case ("resize", place, size):
            await owner.execute("UPDATE files SET size = $2 WHERE file_id = $1", _IDS[place], size)
        case ("give", before, after):
            await owner.execute("UPDATE files SET uploaded_by = $2 WHERE uploaded_by = $1", before, after)
        case ("delete", who):
            await owner.execute("DELETE FROM files WHERE uploaded_by = $1", who)
        case ("fold", most):
            await owner.fetchval("SELECT artstore_fold_usage($1)", most)
        case ("rollback", (_, size, who, status)):
            transaction = owner.transaction()
            await transaction.start()
            await write(owner, INSERT, [(new_id(), size, who, status)])
            await transaction.rollback()


async def test_writers_for_the_same_accounts_neither_deadlock_nor_wait_for_each_other(
    migrated: Database, owner: asyncpg.Connection[Any]
) -> None:
    names = [f"sa:{letter}" for letter in "abcdef"]

    async def write_much(seed: int) -> None:
        chance, own = random.Random(seed), [new_id() for _ in range(12)]
        async with connected(migrated, "artstore_admin") as connection:
            for _ in range(15):
                async with connection.transaction():
                    for _ in range(3):  # several statements, each of which adds some files and changes others
                        files = [(one, 1, chance.choice(names), "active") for one in chance.sample(own, 6)]
                        await write(connection, UPSERT, files)
                        await connection.fetchval("SELECT artstore_fold_usage(50)")

    await asyncio.gather(*(write_much(seed) for seed in range(8)))
    assert await usage(owner) == await counted(owner)
    async with (
        connected(migrated, "artstore_admin") as open_one,
        connected(migrated, "artstore_admin") as other,
        open_one.transaction(),
    ):
        await write(open_one, INSERT, [(new_id(), 1, ALICE, "active")])
        await other.execute("SET statement_timeout = '2s'")
        await write(other, INSERT, [(new_id(), 1, ALICE, "active")])

"""Events: none missed, none twice, in order, whoever commits when and whatever happens to the reader."""

from __future__ import annotations

import asyncio
import random
from contextlib import suppress

import asyncpg
import pytest
from artstore_outbox import Follower, Why, connecting
from artstore_outbox.follower import Pace
from artstore_testing.postgres import Database
from outbox_support import Kept, add_file, connected, reading

WRITERS = 12
TRANSACTIONS = 80


async def test_a_new_reader_starts_with_the_registry_and_then_hears_of_changes(
    registry: Database, follower: Follower
) -> None:
    kept = Kept()
    async with reading(kept, follower), connected(registry) as writer:
        await kept.until_lost()
        file_id = await add_file(writer)
        await kept.until_taken(1)
        await writer.execute("UPDATE files SET revision = 2, description = 'x' WHERE file_id = $1", file_id)
        await writer.execute("UPDATE files SET status = 'deleted', revision = 3 WHERE file_id = $1", file_id)
        await kept.until_taken(3)
    assert kept.lost == [Why.NEW]
    assert [event.kind for event in kept.taken] == ["file.registered", "file.changed", "file.deleted"]
    assert set(kept.subjects) == {str(file_id)}


async def test_what_began_first_and_commits_last_is_not_skipped(registry: Database, follower: Follower) -> None:
    kept = Kept()
    async with (
        reading(kept, follower),
        connected(registry) as slow,
        connected(registry) as quick,
        connected(registry) as looking,
    ):
        await kept.until_lost()
        async with slow.transaction():
            first = await add_file(slow)
            second = await add_file(quick)  # commits at once, with a higher number
            assert await looking.fetchval("SELECT count(*) FROM outbox WHERE subject = $1", str(second)) == 1
            await asyncio.sleep(0.3)  # NOTIFY has woken the reader, which must not go past the open transaction
            assert kept.taken == []
        await kept.until_taken(2)
    assert kept.subjects == [str(first), str(second)]


async def test_events_held_back_by_a_transaction_that_leaves_none_come_without_the_slow_poll(
    registry: Database, follower: Follower
) -> None:
    kept = Kept()
    async with reading(kept, follower), connected(registry) as idle, connected(registry) as writer:
        await kept.until_lost()
        async with idle.transaction():
            await idle.execute("SELECT pg_current_xact_id()")
            await add_file(writer)
            await asyncio.sleep(0.1)
        await kept.until_taken(1)


async def test_a_transaction_that_is_rolled_back_leaves_nothing(registry: Database, follower: Follower) -> None:
    kept = Kept()
    async with reading(kept, follower), connected(registry) as writer:
        await kept.until_lost()
        transaction = writer.transaction()
        await transaction.start()
        await add_file(writer)
        await transaction.rollback()
        after = await add_file(writer)
        await kept.until_taken(1)
    assert kept.subjects == [str(after)]


async def test_the_slow_poll_finds_what_nobody_told_of(registry: Database) -> None:
    kept = Kept()
    follower = Follower(connecting(registry.url("artstore_render")), pace=Pace(poll=0.05))
    async with reading(kept, follower), connected(registry) as owner:
        await kept.until_lost()
        await owner.execute("INSERT INTO outbox (kind, subject) VALUES ('file.changed', 'x')")
        await kept.until_taken(1)


@pytest.mark.parametrize("seed", range(3))
async def test_nothing_is_missed_or_told_twice_under_many_writers_and_a_reader_that_is_killed(
    registry: Database, follower: Follower, seed: int
) -> None:
    chance = random.Random(seed)
    kept, committed = Kept(), set[str]()
    async with reading(kept, follower):
        await kept.until_lost()
    writing = asyncio.gather(*(_write(registry, random.Random(chance.random()), committed) for _ in range(WRITERS)))
    kills = await _read_and_be_killed(registry, kept, follower, chance, writing)
    async with reading(kept, follower):
        await kept.until_taken(len(committed))
    assert sorted(kept.subjects) == sorted(committed)
    places = [(event.transaction_id, event.id) for event in kept.taken]
    assert places == sorted(set(places))
    assert kept.lost == [Why.NEW]
    assert kills >= 5
    # The test shows nothing unless transactions did end in another order than they began.
    assert [event.id for event in kept.taken] != sorted(event.id for event in kept.taken)


async def _write(database: Database, chance: random.Random, committed: set[str]) -> None:
    async with connected(database) as connection:
        for _ in range(TRANSACTIONS):
            files = []
            transaction = connection.transaction()
            await transaction.start()
            for _ in range(chance.randint(1, 4)):
                files.append(str(await add_file(connection)))
                await asyncio.sleep(chance.choice([0, 0, 0.001, 0.02]))
            if chance.random() < 0.1:
                await transaction.rollback()
            else:
                await transaction.commit()
                committed.update(files)


async def _read_and_be_killed(
    database: Database, kept: Kept, follower: Follower, chance: random.Random, writing: asyncio.Future[list[None]]
) -> int:
    """Reads while others write; now the reader dies, now its connection does. Gives how often."""
    kills = 0
    async with connected(database, "postgres") as superuser:
        while not writing.done():
            async with reading(kept, follower):
                await asyncio.sleep(chance.random() * 0.1)
                if chance.random() < 0.5:
                    await superuser.execute(
                        "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = 'outbox'"
                    )
                    await asyncio.sleep(chance.random() * 0.1)
            kills += 1
    await writing
    return kills


async def test_a_reader_outlives_a_database_that_is_away(registry: Database) -> None:
    away = True

    async def connect() -> asyncpg.Connection:
        if away:
            raise ConnectionRefusedError
        return await connecting(registry.url("artstore_render"))()

    kept = Kept()
    async with reading(kept, Follower(connect, pace=Pace(away=(0.01, 0.02)))):
        with suppress(TimeoutError):
            await kept.until_lost(seconds=0.1)
        assert kept.lost == []
        away = False
        await kept.until_lost()

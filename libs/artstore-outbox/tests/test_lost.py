"""A reader that cannot go on from where it was hears so, and one that can does not."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from admin_service.db.outbox import OutboxTable
from artstore_outbox import Follower, Why, connecting
from artstore_outbox.follower import ORIGIN
from artstore_postgres.engine import make_engine
from artstore_testing.postgres import Database, PostgresServer
from outbox_support import Kept, add_file, connected, reading

LATER = datetime.now(UTC) + timedelta(days=1)


async def trim(database: Database, before: datetime, at_most: int = 1000) -> int:
    """As admin does it, in admin's role."""
    engine = make_engine(database.url("artstore_admin"), application="test", pool_size=1)
    async with engine.begin() as connection:
        gone = await OutboxTable(connection).trim(before, at_most)
    await engine.dispose()
    return gone


async def remove_foreign(database: Database) -> int:
    engine = make_engine(database.url("artstore_admin"), application="test", pool_size=1)
    async with engine.begin() as connection:
        gone = await OutboxTable(connection).remove_foreign(1000)
    await engine.dispose()
    return gone


async def caught_up(registry: Database, follower: Follower, kept: Kept, files: int = 3) -> None:
    async with reading(kept, follower), connected(registry) as writer:
        await kept.until_lost()
        for _ in range(files):
            await add_file(writer)
        await kept.until_taken(files)


async def test_a_trim_that_takes_only_what_was_read_is_not_noticed(registry: Database, follower: Follower) -> None:
    kept = Kept()
    await caught_up(registry, follower, kept)
    assert await trim(registry, LATER) == 4  # the element's own event too
    async with reading(kept, follower), connected(registry) as writer:
        await add_file(writer)
        await kept.until_taken(4)
    assert kept.lost == [Why.NEW]


async def test_a_reader_behind_the_trim_is_lost_and_then_goes_on(registry: Database, follower: Follower) -> None:
    kept = Kept()
    await caught_up(registry, follower, kept)
    async with connected(registry) as writer:
        await add_file(writer)
        assert await trim(registry, LATER) == 5
        async with reading(kept, follower):
            await kept.until_lost(2)
            await add_file(writer)
            await kept.until_taken(4)
    assert kept.lost == [Why.NEW, Why.TRIMMED]


async def test_a_trim_stops_at_the_first_event_that_is_too_young(registry: Database) -> None:
    async with connected(registry) as owner:
        for days in (9, 8, 1, 9):
            await owner.execute(
                "INSERT INTO outbox (kind, subject, happened_at) VALUES ('x', $1, now() - $1::text::interval)",
                f"{days} days",
            )
        before = datetime.now(UTC) - timedelta(days=7)
        await owner.execute("DELETE FROM outbox WHERE kind <> 'x'")
        assert await trim(registry, before, at_most=1) == 1
        assert await trim(registry, before) == 1
        assert await trim(registry, before) == 0
        left = await owner.fetch("SELECT subject FROM outbox ORDER BY transaction_id, id")
        assert [row["subject"] for row in left] == ["1 days", "9 days"]
        mark = await owner.fetchrow("SELECT transaction_id, id FROM outbox_trimmed")
        first = await owner.fetchrow("SELECT transaction_id, id FROM outbox ORDER BY 1, 2 LIMIT 1")
        assert mark is not None
        assert first is not None
        assert tuple(mark) < tuple(first)


async def test_a_trim_leaves_what_a_running_transaction_holds_back(registry: Database) -> None:
    async with connected(registry) as slow, connected(registry) as writer:
        assert await trim(registry, LATER) == 1
        async with slow.transaction():
            await add_file(slow)
            await add_file(writer)
            assert await trim(registry, LATER) == 0
        assert await trim(registry, LATER) == 2


async def test_a_position_ahead_of_the_database_is_of_another_one(registry: Database, follower: Follower) -> None:
    kept = Kept()
    await caught_up(registry, follower, kept)
    assert kept.position is not None
    kept.position = kept.position._replace(transaction_id=kept.position.transaction_id + 10**9)
    async with reading(kept, follower):
        await kept.until_lost(2)
    assert kept.lost[-1] is Why.OTHER_DATABASE


async def test_a_table_that_was_made_anew_is_another_one(registry: Database, follower: Follower) -> None:
    """A dump restored into the same cluster: its transactions are all in the past, so only the identity tells."""
    kept = Kept()
    await caught_up(registry, follower, kept)
    async with connected(registry) as owner:
        await owner.execute("ALTER TABLE outbox RENAME TO old")
        await owner.execute("CREATE TABLE outbox (LIKE old INCLUDING ALL)")
        await owner.execute("GRANT SELECT ON outbox TO artstore_render")
    async with reading(kept, follower):
        await kept.until_lost(2)
    assert kept.lost[-1] is Why.OTHER_DATABASE


async def test_a_copy_of_the_database_is_another_one(
    postgres: PostgresServer, registry: Database, follower: Follower
) -> None:
    kept = Kept()
    await caught_up(registry, follower, kept)
    with postgres.database(registry) as copy:
        async with reading(kept, Follower(connecting(copy.url("artstore_render")))):
            await kept.until_lost(2)
    assert kept.lost[-1] is Why.OTHER_DATABASE


async def test_events_of_another_cluster_are_removed_and_hide_nothing(registry: Database, follower: Follower) -> None:
    async with connected(registry) as owner:
        await owner.execute(
            "INSERT INTO outbox (transaction_id, kind, subject) VALUES (10^15::bigint, 'file.changed', 'foreign')"
        )
        await owner.execute("UPDATE outbox_trimmed SET transaction_id = 10^15::bigint")
        assert await remove_foreign(registry) == 1
        kept = Kept()
        await caught_up(registry, follower, kept)
        await add_file(owner)
        assert await remove_foreign(registry) == 0
        async with reading(kept, follower):
            await kept.until_taken(4)
    assert "foreign" not in kept.subjects
    assert kept.lost == [Why.NEW]


async def test_a_live_event_is_never_taken_for_a_foreign_one(registry: Database) -> None:
    async with connected(registry) as writer:
        for _ in range(20):
            async with writer.transaction():
                await add_file(writer)
                assert await remove_foreign(registry) == 0
            assert await remove_foreign(registry) == 0


async def test_every_reading_role_may_know_where_it_is(registry: Database) -> None:
    for role in ("artstore_query", "artstore_render", "artstore_admin"):
        async with connected(registry, role) as connection:
            assert len(str(await connection.fetchval(ORIGIN)).split("-")) == 4

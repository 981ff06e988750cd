"""Searches may go to a read replica; files, events and marks stay with the primary."""

from __future__ import annotations

from collections.abc import Iterator

import asyncpg
import pytest
from artstore_core.errors import StorageUnavailable
from artstore_testing.postgres import Database, PostgresServer
from artstore_testing.servers import free_port
from artstore_testing.tokens import TokenIssuer
from pydantic import SecretStr
from query_service.config import Settings
from query_service.search.cursor import Position
from query_service.search.request import SearchMode, SearchRequest
from query_service.search.service import Hits, TookTooLong, search
from query_service.search.spare import REST_SECONDS, WithSpare
from query_support import Registry, Row, migrate, running_query


@pytest.fixture
def replica(postgres: PostgresServer) -> Iterator[Database]:
    """Another database stands for it: what is in it tells who was asked."""
    with postgres.database() as database:
        migrate(postgres, database)
        yield database


async def test_searches_ask_the_replica_and_nothing_else_does(
    settings: Settings, migrated: Database, replica: Database, issuer: TokenIssuer
) -> None:
    there = SecretStr(replica.url("artstore_query"))
    copied, row = Row("copied.pdf"), Row("written.pdf")
    copy = Registry(replica)
    await copy.element("se-rw-1", "http://127.0.0.1:1")
    await copy.add(copied)
    async with running_query(settings.model_copy(update={"read_database_url": there}), migrated, issuer) as query:
        await query.registry.add(row)
        assert await query.names() == ["copied.pdf"]
        assert (await query.get(f"/api/v1/files/{row.file_id}")).status_code == 200
        assert (await query.get(f"/api/v1/files/{copied.file_id}")).status_code == 404


async def test_while_the_replica_is_away_searches_ask_the_primary(
    settings: Settings, migrated: Database, issuer: TokenIssuer
) -> None:
    away = SecretStr(f"postgresql://artstore_query@127.0.0.1:{free_port()}/artstore")
    row = Row()
    async with running_query(settings.model_copy(update={"read_database_url": away}), migrated, issuer) as query:
        await query.registry.add(row)
        assert await query.names() == [row.original_filename]
        assert (await query.get(f"/api/v1/files/{row.file_id}")).status_code == 200
        state = (await query.http.get("/health/ready")).json()["dependencies"]
        assert (state["postgresql"]["status"], state["postgresql_replica"]["status"]) == ("ok", "degraded")


class Answering:
    """Counts what it is asked, and answers with what it was given."""

    def __init__(self, error: Exception | None = None) -> None:
        self.error, self.asked = error, 0

    async def search(
        self, request: SearchRequest, after: Position | None, limit: int, *, loosely: bool = False
    ) -> Hits:
        assert (request.query, after, limit, loosely) == ("a", None, 10, True)
        self.asked += 1
        if self.error is not None:
            raise self.error
        return Hits([], 0, True, True, {})


async def test_a_replica_that_gave_up_is_left_alone_for_a_while() -> None:
    now = [100.0]
    replica, primary = Answering(StorageUnavailable("catching up")), Answering()
    index = WithSpare(replica, primary, lambda: now[0])
    for passed, asked in ((0.0, (1, 1)), (REST_SECONDS - 0.1, (1, 2)), (0.2, (2, 3))):
        now[0] += passed
        await index.search(SearchRequest(query="a"), None, 10, loosely=True)
        assert (replica.asked, primary.asked) == asked
    replica.error = None
    now[0] += REST_SECONDS
    await index.search(SearchRequest(query="a"), None, 10, loosely=True)
    assert (replica.asked, primary.asked) == (3, 3)


async def test_what_took_too_long_there_is_not_tried_here() -> None:
    replica, primary = Answering(TookTooLong("narrow it")), Answering()
    with pytest.raises(TookTooLong):
        await WithSpare(replica, primary).search(SearchRequest(query="a"), None, 10, loosely=True)
    assert primary.asked == 0


async def test_a_search_that_takes_too_long_is_ended_and_one_that_is_only_tried_finds_nothing(
    settings: Settings, migrated: Database, issuer: TokenIssuer
) -> None:
    async with running_query(settings.model_copy(update={"statement_seconds": 0.2}), migrated, issuer) as query:
        holder = await asyncpg.connect(migrated.url())
        async with holder.transaction():
            await holder.execute("LOCK TABLE files IN ACCESS EXCLUSIVE MODE")
            error = (await query.search(503, query="отчёт"))["error"]
        await holder.close()
    assert (error["code"], "took too long" in error["message"]) == ("STORAGE_UNAVAILABLE", True)

    class Slow(Answering):
        async def search(
            self, request: SearchRequest, after: Position | None, limit: int, *, loosely: bool = False
        ) -> Hits:
            del request, after, limit
            if loosely:
                raise TookTooLong("it did")
            return Hits([], 0, True, True, {})

    answer = await search(Slow(), SearchRequest(query="преказ", mode=SearchMode.PARTIAL))
    assert (answer.total, answer.items) == (0, [])

"""Searches may go to a read replica; files, events and marks stay with the primary."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from artstore_testing.postgres import Database, PostgresServer
from artstore_testing.servers import free_port
from artstore_testing.tokens import TokenIssuer
from pydantic import SecretStr
from query_service.config import Settings
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


async def test_a_replica_that_is_away_takes_searches_with_it_and_nothing_else(
    settings: Settings, migrated: Database, issuer: TokenIssuer
) -> None:
    away = SecretStr(f"postgresql://artstore_query@127.0.0.1:{free_port()}/artstore")
    row = Row()
    async with running_query(settings.model_copy(update={"read_database_url": away}), migrated, issuer) as query:
        await query.registry.add(row)
        error = (await query.search(503))["error"]
        assert error["code"] == "STORAGE_UNAVAILABLE"
        assert (await query.get(f"/api/v1/files/{row.file_id}")).status_code == 200
        state = (await query.http.get("/health/ready")).json()["dependencies"]
        assert (state["postgresql"]["status"], state["postgresql_replica"]["status"]) == ("ok", "degraded")

"""Query on a real PostgreSQL with admin's tables, migrated by both services."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import asyncpg
import pytest
from artstore_testing.postgres import Database, PostgresServer
from artstore_testing.tokens import TokenIssuer
from query_service.config import Settings
from query_support import Query, migrate, running_query, settings_for
from stored_support import Stored, stored_file


@pytest.fixture
def migrated(postgres: PostgresServer, database: Database) -> Database:
    migrate(postgres, database)
    return database


@pytest.fixture
def settings(migrated: Database, issuer: TokenIssuer, tmp_path: Path) -> Settings:
    return settings_for(migrated, issuer, tmp_path)


@pytest.fixture
async def query(settings: Settings, migrated: Database, issuer: TokenIssuer) -> AsyncIterator[Query]:
    async with running_query(settings, migrated, issuer) as running:
        yield running


@pytest.fixture
async def stored(settings: Settings, migrated: Database, issuer: TokenIssuer, tmp_path: Path) -> AsyncIterator[Stored]:
    async with stored_file(settings, migrated, issuer, tmp_path / "data") as found:
        yield found


@pytest.fixture
async def postgres_admin(migrated: Database) -> AsyncIterator[asyncpg.Connection]:
    """A connection that may do anything."""
    connection = await asyncpg.connect(migrated.url("postgres"))
    yield connection
    await connection.close()

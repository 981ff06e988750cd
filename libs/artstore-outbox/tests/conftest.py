"""The outbox as admin's migrations make it, and readers in the role of render."""

from __future__ import annotations

import asyncio

import asyncpg
import pytest
from admin_service.db.migrate import MIGRATIONS
from artstore_outbox import Follower, connecting
from artstore_outbox.follower import Pace
from artstore_testing.postgres import Database, PostgresServer


@pytest.fixture
async def registry(postgres: PostgresServer, database: Database) -> Database:
    """A database with one element, nothing in its outbox yet but that."""
    await _migrate(postgres, database)
    connection = await asyncpg.connect(database.url())
    await connection.execute(
        "INSERT INTO storage_elements (storage_id, url, status, created_at, updated_at)"
        " VALUES ('se-rw-1', 'https://127.0.0.1:1', 'online', now(), now())"
    )
    await connection.close()
    return database


async def _migrate(postgres: PostgresServer, database: Database) -> None:
    await asyncio.to_thread(MIGRATIONS.upgrade, database.url())
    postgres.allow_login("artstore_admin", "artstore_query", "artstore_render")


@pytest.fixture
def follower(registry: Database) -> Follower:
    return Follower(connecting(registry.url("artstore_render")), batch=7, pace=Pace(poll=600, away=(0.01, 0.1)))

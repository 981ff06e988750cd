"""Migrations: from nothing, again, back and forth; the queue's library finds what it wants; what the role may do."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import asyncpg
import pytest
from admin_service.db.migrate import MIGRATIONS as ADMIN_MIGRATIONS
from artstore_testing.postgres import Database
from pgqueuer.adapters.drivers.asyncpg import AsyncpgDriver
from pgqueuer.adapters.persistence.queries import Queries
from render_service.db.migrate import MIGRATIONS
from render_service.db.queue import BUILDERS

SCHEMA = """
SELECT 'column', c.relname, a.attname, format_type(a.atttypid, a.atttypmod), c.relacl::text FROM pg_class c
JOIN pg_attribute a ON a.attrelid = c.oid AND a.attnum > 0
WHERE c.relnamespace = to_regnamespace('render') AND c.relkind IN ('r', 'i', 'S')
UNION ALL SELECT 'function', proname, prosrc, '', proacl::text FROM pg_proc WHERE pronamespace = to_regnamespace('render')
ORDER BY 1, 2, 3
"""


@pytest.fixture
async def owner(database: Database) -> AsyncIterator[asyncpg.Connection]:
    await asyncio.to_thread(ADMIN_MIGRATIONS.upgrade, database.url())
    connection = await asyncpg.connect(database.url())
    yield connection
    await connection.close()


async def schema(connection: asyncpg.Connection) -> list[Any]:
    return [tuple(row) for row in await connection.fetch(SCHEMA)]


async def test_migrated_again_or_back_and_forth_is_as_fresh(owner: asyncpg.Connection, database: Database) -> None:
    assert await schema(owner) == []
    await asyncio.to_thread(MIGRATIONS.upgrade, database.url())
    fresh = await schema(owner)
    assert fresh
    await asyncio.to_thread(MIGRATIONS.upgrade, database.url())
    assert await schema(owner) == fresh
    await asyncio.to_thread(MIGRATIONS.downgrade, database.url(), "base")
    assert await schema(owner) == []
    await asyncio.to_thread(MIGRATIONS.upgrade, database.url())
    assert await schema(owner) == fresh


async def test_the_queue_is_what_this_version_of_its_library_wants(migrated: Database) -> None:
    connection = await asyncpg.connect(migrated.url())
    plan = await Queries(AsyncpgDriver(connection), *BUILDERS).plan_upgrade()
    await connection.close()
    assert list(plan.statements) == []


async def test_renders_role_changes_its_own_tables_and_nothing_else(migrated: Database) -> None:
    render = await asyncpg.connect(migrated.url("artstore_render"))
    may = """SELECT n.nspname || '.' || c.relname AS name FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
             WHERE n.nspname IN ('public', 'render') AND c.relkind IN ('r', 'v')
             AND has_table_privilege(c.oid, 'INSERT, UPDATE, DELETE') ORDER BY 1"""
    assert {row["name"].partition(".")[0] for row in await render.fetch(may)} == {"render"}
    for statement in (
        "DELETE FROM files",
        "INSERT INTO outbox (kind, subject) VALUES ('a', 'b')",
        "TRUNCATE render.jobs",
        "DROP TABLE render.jobs",
        "ALTER TABLE render.pgqueuer DISABLE TRIGGER ALL",
        "CREATE TABLE render.mine (id int)",
        "CREATE TABLE mine (id int)",
        "UPDATE alembic_version_render SET version_num = 'x'",
        "SELECT * FROM service_accounts",
    ):
        with pytest.raises(asyncpg.InsufficientPrivilegeError):
            await render.execute(statement)
    await render.close()
    for role in ("artstore_query", "artstore_admin"):
        other = await asyncpg.connect(migrated.url(role))
        with pytest.raises(asyncpg.InsufficientPrivilegeError):
            await other.execute("SELECT * FROM render.jobs")
        await other.close()

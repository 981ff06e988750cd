"""Migrations: from nothing, again, back and forth, and after a run that broke; and what the role may do."""

from __future__ import annotations

import asyncio
import importlib.util
import os
import sys
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import asyncpg
import pytest
import query_service
from admin_service.db.migrate import MIGRATIONS as ADMIN_MIGRATIONS
from artstore_testing.postgres import Database, PostgresServer
from query_service.db.migrate import MIGRATIONS
from query_service.search.words import SEPARATORS

SCHEMA = """
SELECT 'index', indexname, indexdef FROM pg_indexes WHERE schemaname = 'public' AND tablename = 'files'
UNION ALL SELECT 'function', p.proname, pg_get_functiondef(p.oid) || coalesce(p.proacl::text, '')
FROM pg_proc p WHERE p.pronamespace = 'public'::regnamespace AND p.proname LIKE 'artstore%'
ORDER BY 1, 2
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
    empty = await schema(owner)
    await asyncio.to_thread(MIGRATIONS.upgrade, database.url())
    fresh = await schema(owner)
    assert len(fresh) > len(empty)
    await asyncio.to_thread(MIGRATIONS.upgrade, database.url())
    assert await schema(owner) == fresh
    await asyncio.to_thread(MIGRATIONS.downgrade, database.url(), "base")
    assert await schema(owner) == empty
    await asyncio.to_thread(MIGRATIONS.upgrade, database.url())
    assert await schema(owner) == fresh


async def test_two_migrators_at_once_do_not_hinder_each_other(owner: asyncpg.Connection, database: Database) -> None:
    # Processes, not threads: alembic's `op` belongs to one migration a process.
    environment = os.environ | {"QM_MIGRATION_DATABASE_URL": database.url()}
    command = (sys.executable, "-m", "query_service", "migrate")
    migrators = [await asyncio.create_subprocess_exec(*command, env=environment) for _ in range(2)]
    assert await asyncio.gather(*(migrator.wait() for migrator in migrators)) == [0, 0]
    assert await owner.fetchval("SELECT count(*) FROM pg_index WHERE NOT indisvalid") == 0
    assert await owner.fetchval("SELECT version_num FROM alembic_version_query") == "0005"


async def test_an_index_left_invalid_by_a_broken_run_is_built_anew(
    owner: asyncpg.Connection, database: Database
) -> None:
    await asyncio.to_thread(MIGRATIONS.upgrade, database.url(), "0001")
    await owner.execute("CREATE INDEX files_search_size_idx ON files (checksum)")
    await asyncio.to_thread(MIGRATIONS.upgrade, database.url(), "0003")
    await owner.execute("CREATE INDEX files_search_words_day_idx ON files (checksum)")
    await asyncio.to_thread(MIGRATIONS.upgrade, database.url())
    words = await owner.fetchval("SELECT indexdef FROM pg_indexes WHERE indexname = 'files_search_words_day_idx'")
    assert "artstore_search_words" in words
    definition = await owner.fetchval("SELECT indexdef FROM pg_indexes WHERE indexname = 'files_search_size_idx'")
    assert "(size, file_id)" in definition


async def test_building_indexes_does_not_stop_writers(owner: asyncpg.Connection, database: Database) -> None:
    await asyncio.to_thread(MIGRATIONS.upgrade, database.url(), "0001")
    async with owner.transaction():
        await owner.execute("LOCK TABLE files IN ROW EXCLUSIVE MODE")
        building = asyncio.create_task(asyncio.to_thread(MIGRATIONS.upgrade, database.url()))
        other = await asyncpg.connect(database.url())
        await other.execute("SET lock_timeout = '2s'")
        await other.execute("DELETE FROM files")
        await other.close()
    await building


def test_what_the_index_takes_for_a_space_is_one_in_a_query_too() -> None:
    path = Path(query_service.__file__).parent / "migrations/versions/0003_search_words.py"
    spec = importlib.util.spec_from_file_location("functions", path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    assert set(module.SEPARATORS) <= set(SEPARATORS)


async def test_admins_role_can_still_write_and_querys_cannot(migrated: Database) -> None:
    row = (
        "INSERT INTO files (file_id, storage_element_id, original_filename, content_type, size, checksum, uploaded_by,"
        " uploaded_at, status, retention_policy, revision) VALUES (gen_random_uuid(), 'se', 'Отчёт.pdf', 'a/b', 1, '0',"
        " 'sa:x', now(), 'active', 'permanent', 1)"
    )
    admin = await asyncpg.connect(migrated.url("artstore_admin"))
    await admin.execute(
        "INSERT INTO storage_elements (storage_id, url, status, created_at, updated_at)"
        " VALUES ('se', 'u', 'online', now(), now())"
    )
    await admin.execute(row)
    await admin.close()
    query = await asyncpg.connect(migrated.url("artstore_query"))
    for statement in (row, "DELETE FROM files", "DROP INDEX files_search_size_idx"):
        with pytest.raises(asyncpg.InsufficientPrivilegeError):
            await query.execute(statement)
    for statement in ("UPDATE files SET status = 'active'", "INSERT INTO outbox (kind, subject) VALUES ('a', 'b')"):
        with pytest.raises(asyncpg.InsufficientPrivilegeError):
            await query.execute(statement)
    assert await query.fetchval("SELECT artstore_search_extension(original_filename) FROM files") == "pdf"
    await query.close()


async def test_querys_role_changes_nothing_but_by_one_function(migrated: Database) -> None:
    query = await asyncpg.connect(migrated.url("artstore_query"))
    may = "SELECT proname FROM pg_proc WHERE prosecdef AND has_function_privilege(oid, 'EXECUTE')"
    assert [row["proname"] for row in await query.fetch(may)] == ["artstore_mark_deleted"]
    may = """SELECT relname FROM pg_class WHERE relnamespace = 'public'::regnamespace AND relkind IN ('r', 'v')
             AND has_table_privilege(oid, 'INSERT, UPDATE, DELETE, TRUNCATE, REFERENCES, TRIGGER')"""
    assert await query.fetch(may) == []
    may = """SELECT relname FROM pg_class WHERE relnamespace = 'public'::regnamespace AND relkind IN ('r', 'v')
             AND has_table_privilege(oid, 'SELECT') ORDER BY relname"""
    readable = ["files", "outbox", "outbox_trimmed", "storage_elements"]
    assert [row["relname"] for row in await query.fetch(may)] == readable
    await query.close()


def test_migrating_before_admin_says_what_is_missing(postgres: PostgresServer, database: Database) -> None:
    del postgres
    with pytest.raises(Exception, match="files"):
        MIGRATIONS.upgrade(database.url())

"""Each migration on a database that has data: nothing is lost, and the code before it goes on working."""

from __future__ import annotations

import asyncio
from typing import Any

import asyncpg
import pytest
from admin_service.db.migrate import MIGRATIONS
from alembic.config import Config
from alembic.script import ScriptDirectory
from artstore_testing.postgres import Database
from schema_support import connected, counted, events, usage

REVISIONS = ("0001", "0002", "0003", "0004")

# What the code of 0001 writes: every table, every column. It runs before 0002 and, with other ids, after it.
OF_0001 = """
INSERT INTO service_accounts (id, client_id, name, kind, scopes, status, secret_hash, secret_expires_at,
    previous_secret_hash, previous_secret_expires_at, created_at, updated_at)
VALUES (gen_random_uuid(), 'sa_a_{n}', 'a', 'client', '{{files:read}}', 'active', 'hash', now(), 'old', now(), now(), now());
INSERT INTO admin_users (id, username, role, password_hash, created_at, updated_at)
VALUES (gen_random_uuid(), 'admin{n}', 'admin', 'hash', now(), now());
INSERT INTO jwt_keys (kid, public_jwk, private_encrypted, active_from, created_at)
VALUES ('key{n}', '{{}}', '\\x00', now(), now());
INSERT INTO storage_elements (storage_id, url, status, mode, version, capacity_bytes, used_bytes, available_bytes,
    last_error, last_seen_at, checked_at, created_at, updated_at)
VALUES ('se-{n}', 'https://se-{n}', 'online', 'rw', '1', 3, 2, 1, 'none', now(), now(), now(), now());
INSERT INTO files (file_id, storage_element_id, original_filename, content_type, size, checksum, uploaded_by, uploaded_at,
    description, tags, metadata, status, retention_policy, ttl_days, expires_at, revision)
SELECT gen_random_uuid(), 'se-{n}', 'a.pdf', 'application/pdf', number, repeat('0', 64), 'sa:sa_a_' || number % 3, now(),
    'x', '{{tag}}', '{{"a": 1}}', (ARRAY['active', 'expired', 'damaged', 'deleted'])[1 + number % 4], 'temporary', 30,
    now(), 1
FROM generate_series(1, 40) AS number;
"""
CHANGES_OF_0001 = """
UPDATE service_accounts SET name = 'b', secret_hash = 'new', updated_at = now() WHERE client_id = 'sa_a_{n}';
UPDATE admin_users SET password_hash = 'new' WHERE username = 'admin{n}';
UPDATE storage_elements SET status = 'offline', last_error = 'gone' WHERE storage_id = 'se-{n}';
UPDATE files SET status = 'deleted', revision = 2 WHERE storage_element_id = 'se-{n}' AND size <= 10;
DELETE FROM service_accounts WHERE client_id = 'sa_a_{n}';
DELETE FROM files WHERE storage_element_id = 'se-{n}';
DELETE FROM storage_elements WHERE storage_id = 'se-{n}';
"""
TABLES_OF_0001 = ("service_accounts", "admin_users", "jwt_keys", "storage_elements", "files")


async def upgrade(database: Database, revision: str) -> None:
    await asyncio.to_thread(MIGRATIONS.upgrade, database.url(), revision)


async def rows(connection: asyncpg.Connection[Any], table: str, names: list[str]) -> list[tuple[Any, ...]]:
    listed = ", ".join(names)
    return [tuple(row) for row in await connection.fetch(f"SELECT {listed} FROM {table} ORDER BY 1")]


async def columns(connection: asyncpg.Connection[Any], table: str) -> list[str]:
    found = await connection.fetch(
        "SELECT column_name FROM information_schema.columns WHERE table_name = $1 ORDER BY ordinal_position", table
    )
    return [row["column_name"] for row in found]


def test_every_migration_is_named_here() -> None:
    config = Config()
    config.set_main_option("script_location", str(MIGRATIONS.scripts))
    found = [script.revision for script in ScriptDirectory.from_config(config).walk_revisions()]
    assert tuple(reversed(found)) == REVISIONS


async def test_each_migration_by_itself_and_again(database: Database) -> None:
    for revision in REVISIONS:
        await upgrade(database, revision)
        await upgrade(database, revision)
        async with connected(database) as owner:
            assert await owner.fetchval("SELECT version_num FROM alembic_version_admin") == revision


async def test_data_of_the_first_schema_is_all_there_after_the_upgrade(database: Database) -> None:
    await upgrade(database, "0001")
    async with connected(database) as owner:
        await owner.execute(OF_0001.format(n=1))
        names = {table: await columns(owner, table) for table in TABLES_OF_0001}
        before = {table: await rows(owner, table, names[table]) for table in TABLES_OF_0001}
    await upgrade(database, "head")
    async with connected(database) as owner:
        assert {table: await rows(owner, table, names[table]) for table in TABLES_OF_0001} == before
        assert await usage(owner) == await counted(owner) != {}
        assert await owner.fetchval("SELECT bool_and(status = 'active' AND NOT must_change_password) FROM admin_users")
        assert await events(owner) == []  # readers that are new read the registry as it is


@pytest.mark.parametrize("role", ["artstore_owner", "artstore_admin"])
async def test_the_code_before_the_upgrade_goes_on_working_after_it(migrated: Database, role: str) -> None:
    """Expand, deploy, contract: replicas of the version before run beside those of this one."""
    async with connected(migrated, role) as connection, connected(migrated) as owner:
        await connection.execute(OF_0001.format(n=2))
        assert await usage(owner) == await counted(owner) != {}
        await connection.execute(CHANGES_OF_0001.format(n=2))
        assert await usage(owner) == await counted(owner) == {}
        assert len(await events(owner)) > 40

"""The migrations make what the code believes, and roles may do only what they must."""

from __future__ import annotations

import asyncpg
import pytest
from admin_service.db.migrate import MIGRATIONS
from admin_service.db.tables import metadata
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from artstore_testing.postgres import Database
from sqlalchemy.engine import make_url
from sqlalchemy.ext.asyncio import create_async_engine


async def test_migrated_schema_equals_the_tables_of_the_code(migrated: Database) -> None:
    engine = create_async_engine(make_url(migrated.url()).set(drivername="postgresql+asyncpg"))
    async with engine.connect() as connection:
        options = {"version_table": MIGRATIONS.version_table, "compare_server_default": True}
        differences = await connection.run_sync(
            lambda sync: compare_metadata(MigrationContext.configure(sync, opts=options), metadata)
        )
    await engine.dispose()
    assert differences == []


def test_migrating_again_changes_nothing(migrated: Database) -> None:
    MIGRATIONS.upgrade(migrated.url())


@pytest.mark.parametrize(
    "statement",
    [
        "SELECT * FROM service_accounts",
        "SELECT * FROM jwt_keys",
        "SELECT * FROM admin_users",
        "UPDATE files SET status = 'deleted'",
        "DELETE FROM files",
        "INSERT INTO storage_elements (storage_id) VALUES ('x')",
        "CREATE TABLE mine (id int)",
    ],
)
async def test_query_role_is_refused(migrated: Database, statement: str) -> None:
    connection = await asyncpg.connect(migrated.url("artstore_query"))
    try:
        with pytest.raises(asyncpg.InsufficientPrivilegeError):
            await connection.execute(statement)
        await connection.execute("SELECT * FROM files")
    finally:
        await connection.close()

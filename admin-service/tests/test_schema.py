"""The migrations make what the code believes."""

from __future__ import annotations

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

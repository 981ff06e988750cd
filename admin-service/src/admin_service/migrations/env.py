"""Alembic's entry: online, over asyncpg, one migrator at a time."""

from __future__ import annotations

import asyncio

from admin_service.db.migrate import VERSION_TABLE
from admin_service.db.tables import metadata
from alembic import context
from sqlalchemy import Connection, text
from sqlalchemy.engine import make_url
from sqlalchemy.ext.asyncio import create_async_engine

_ONE_MIGRATOR = 0x61646D6E


def run(connection: Connection) -> None:
    connection.execute(text("SELECT pg_advisory_lock(:key)"), {"key": _ONE_MIGRATOR})
    connection.commit()
    context.configure(connection=connection, target_metadata=metadata, version_table=VERSION_TABLE)
    with context.begin_transaction():
        context.run_migrations()


async def migrate() -> None:
    engine = create_async_engine(make_url(context.config.attributes["url"]).set(drivername="postgresql+asyncpg"))
    async with engine.connect() as connection:
        await connection.run_sync(run)
    await engine.dispose()


asyncio.run(migrate())

"""Alembic's entry: online, over asyncpg, one migrator at a time."""

from __future__ import annotations

import asyncio
import time

from alembic import context
from query_service.db.migrate import VERSION_TABLE
from sqlalchemy import Connection, text
from sqlalchemy.engine import make_url
from sqlalchemy.ext.asyncio import create_async_engine

_ONE_MIGRATOR = 0x71756572
_PAUSE_SECONDS = 0.5
_WAIT_SECONDS = 3600.0


def wait_for_turn(connection: Connection) -> None:
    """Asks again and again instead of blocking: a statement that waits holds a snapshot, and CREATE INDEX CONCURRENTLY
    of the migrator that is at work would wait for that snapshot for ever."""
    deadline = time.monotonic() + _WAIT_SECONDS
    while not connection.execute(text("SELECT pg_try_advisory_lock(:key)"), {"key": _ONE_MIGRATOR}).scalar_one():
        connection.commit()
        if time.monotonic() > deadline:
            raise TimeoutError("another migration of query-service does not end")
        time.sleep(_PAUSE_SECONDS)
    connection.commit()


def run(connection: Connection) -> None:
    wait_for_turn(connection)
    context.configure(connection=connection, version_table=VERSION_TABLE, transaction_per_migration=True)
    with context.begin_transaction():
        context.run_migrations()


async def migrate() -> None:
    engine = create_async_engine(make_url(context.config.attributes["url"]).set(drivername="postgresql+asyncpg"))
    try:
        async with engine.connect() as connection:
            await connection.run_sync(run)
    finally:
        await engine.dispose()


asyncio.run(migrate())

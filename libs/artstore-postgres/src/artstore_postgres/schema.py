"""Which schema a database has, as any role may ask, and waiting for the one that this version of a service needs.

`migrate` notes the revision in the comment of Alembic's table. The table itself is its owner's: a service's role at run
time may not read it, but a comment is everybody's to read.
"""

from __future__ import annotations

import argparse
import asyncio
import time
from collections.abc import Callable
from typing import Final

import asyncpg
from sqlalchemy import text
from sqlalchemy.engine import make_url
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine, create_async_engine
from sqlalchemy.pool import NullPool

from artstore_postgres.engine import CONNECT_SECONDS
from artstore_postgres.migrations import Migrations

_PAUSE_SECONDS: Final = 1.0
_READ = text("SELECT obj_description(to_regclass(:version_table), 'pg_class')")


class NotThere(SystemExit):
    """The time was over before the schema was there: ends a command with code 1 and what was found last."""


def wait_for_schema(
    url: str,
    migrations: Migrations,
    *,
    seconds: float,
    only_database: bool = False,
    say: Callable[[str], None],
) -> None:
    """Returns once the database's schema is this version's or a later one (each works with the version before it).

    `only_database`: once it answers at all. `seconds`: how long to ask, about once a second. `say` hears what there is
    to wait for. Raises NotThere.
    """
    asyncio.run(_wait(url, migrations, seconds, only_database, say))


def wait_arguments(parser: argparse.ArgumentParser) -> None:
    """Of the command `wait-for-schema`, by the names that `wait_for_schema` has."""
    parser.add_argument("--seconds", type=float, default=600.0, help="how long to wait (default: 600)")
    parser.add_argument("--only-database", action="store_true", help="until it answers, whatever its schema is")


async def _wait(
    url: str, migrations: Migrations, seconds: float, only_database: bool, say: Callable[[str], None]
) -> None:
    deadline = time.monotonic() + seconds
    engine = create_async_engine(
        make_url(url).set(drivername="postgresql+asyncpg"),
        poolclass=NullPool,
        connect_args={"timeout": CONNECT_SECONDS, "command_timeout": CONNECT_SECONDS},
    )
    said = ""
    try:
        while (missing := await _missing(engine, migrations, only_database)) is not None:
            if missing != said:
                say(f"waiting: {missing}")
                said = missing
            if time.monotonic() + _PAUSE_SECONDS > deadline:
                raise NotThere(missing)
            await asyncio.sleep(_PAUSE_SECONDS)
    finally:
        await engine.dispose()


async def _missing(engine: AsyncEngine, migrations: Migrations, only_database: bool) -> str | None:
    """What there is still to wait for, in words that hold no secret."""
    try:
        async with engine.connect() as connection:
            found = await _revision(connection, migrations)
    except (OSError, TimeoutError, SQLAlchemyError, asyncpg.PostgresError, asyncpg.InterfaceError) as error:
        # Away, starting, or without this role or database yet: all of it may come.
        return f"the database does not let us in ({type(error).__name__})"
    if only_database or migrations.suffices(found):
        return None
    return f"the schema is at {found or 'nothing'}, not yet at {migrations.head}"


async def _revision(connection: AsyncConnection, migrations: Migrations) -> str | None:
    found: str | None = await connection.scalar(_READ, {"version_table": migrations.version_table})
    return found

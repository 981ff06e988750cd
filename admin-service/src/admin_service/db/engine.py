"""The way to PostgreSQL: one transaction a use case, and one place that says when the database is away."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import asyncpg
from artstore_core.errors import AdminUnavailable
from sqlalchemy import text
from sqlalchemy.engine import make_url
from sqlalchemy.exc import DBAPIError
from sqlalchemy.exc import TimeoutError as PoolTimeout
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine, create_async_engine

from admin_service.db.accounts import AccountTable
from admin_service.db.elements import ElementTable
from admin_service.db.files import FileTable
from admin_service.db.keys import KeyTable
from admin_service.db.users import UserTable

CONNECT_SECONDS = 2.0
STATEMENT_SECONDS = 30.0
POOL_SIZE = 10
_AWAY = (OSError, TimeoutError, PoolTimeout, asyncpg.PostgresConnectionError, asyncpg.CannotConnectNowError,
         asyncpg.InterfaceError, asyncpg.AdminShutdownError, asyncpg.CrashShutdownError)  # fmt: skip


def make_engine(url: str) -> AsyncEngine:
    """Connects when first used. `url` is `postgresql://…`."""
    return create_async_engine(
        make_url(url).set(drivername="postgresql+asyncpg"),
        pool_size=POOL_SIZE,
        max_overflow=0,
        pool_timeout=CONNECT_SECONDS,
        pool_pre_ping=True,
        connect_args={"timeout": CONNECT_SECONDS, "command_timeout": STATEMENT_SECONDS},
    )


class Transaction:
    """Everything admin keeps, within one transaction."""

    def __init__(self, connection: AsyncConnection) -> None:
        self.accounts = AccountTable(connection)
        self.elements = ElementTable(connection)
        self.files = FileTable(connection)
        self.keys = KeyTable(connection)
        self.users = UserTable(connection)


class Database:
    def __init__(self, engine: AsyncEngine) -> None:
        self._engine = engine

    @asynccontextmanager
    async def transaction(self) -> AsyncIterator[Transaction]:
        """Commits at the end, rolls back on any error. Raises AdminUnavailable when PostgreSQL is away."""
        try:
            async with self._engine.begin() as connection:
                yield Transaction(connection)
        except _AWAY as error:
            raise _away() from error
        except DBAPIError as error:
            if error.connection_invalidated or isinstance(_driver_error(error), _AWAY):
                raise _away() from error
            raise

    @asynccontextmanager
    async def key_rows(self) -> AsyncIterator[KeyTable]:
        async with self.transaction() as transaction:
            yield transaction.keys

    @asynccontextmanager
    async def element_rows(self) -> AsyncIterator[ElementTable]:
        async with self.transaction() as transaction:
            yield transaction.elements

    async def probe(self) -> None:
        """For readiness: raises when no statement can be run."""
        async with self._engine.connect() as connection:
            await connection.execute(text("SELECT 1"))

    async def close(self) -> None:
        await self._engine.dispose()


def _driver_error(error: DBAPIError) -> BaseException | None:
    """asyncpg's own error, below SQLAlchemy's imitation of the DBAPI."""
    return error.orig.__cause__ if error.orig is not None else None


def _away() -> AdminUnavailable:
    return AdminUnavailable("The database cannot be reached now")

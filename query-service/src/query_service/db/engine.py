"""The way to PostgreSQL, and the one place that says when it is away."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import asyncpg
from artstore_core.errors import StorageUnavailable
from artstore_kit.logs import get_logger
from sqlalchemy import text
from sqlalchemy.engine import make_url
from sqlalchemy.exc import DBAPIError
from sqlalchemy.exc import TimeoutError as PoolTimeout
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine, create_async_engine

_log = get_logger(__name__)

CONNECT_SECONDS = 2.0
POOL_SIZE = 20
_AWAY = (
    OSError,
    TimeoutError,
    PoolTimeout,
    asyncpg.PostgresConnectionError,
    asyncpg.CannotConnectNowError,
    asyncpg.TooManyConnectionsError,
    asyncpg.InterfaceError,
    asyncpg.AdminShutdownError,
    asyncpg.CrashShutdownError,
)


def make_engine(url: str, statement_seconds: float) -> AsyncEngine:
    """Connects when first used. `url` is `postgresql://…`."""
    settings = {
        "application_name": "query-service",
        "default_transaction_read_only": "on",
        "statement_timeout": str(int(statement_seconds * 1000)),
        # Compiling a plan takes longer than running one that has indexes.
        "jit": "off",
    }
    return create_async_engine(
        make_url(url).set(drivername="postgresql+asyncpg"),
        pool_size=POOL_SIZE,
        max_overflow=0,
        pool_timeout=CONNECT_SECONDS,
        pool_pre_ping=True,
        isolation_level="REPEATABLE READ",  # a page and its facets are of one instant
        connect_args={
            "timeout": CONNECT_SECONDS,
            "command_timeout": statement_seconds + CONNECT_SECONDS,
            "server_settings": settings,
        },
    )


class Database:
    """Connections for reading."""

    def __init__(self, engine: AsyncEngine) -> None:
        self._engine = engine

    @asynccontextmanager
    async def reading(self) -> AsyncIterator[AsyncConnection]:
        """Raises StorageUnavailable when PostgreSQL is away or does not come to an end."""
        try:
            async with self._engine.connect() as connection:
                yield connection
        except _AWAY as error:
            raise _away(error) from error
        except DBAPIError as error:
            cause = error.orig.__cause__ if error.orig is not None else None  # asyncpg's own, below the imitated DBAPI
            if isinstance(cause, asyncpg.QueryCanceledError):
                raise StorageUnavailable("The search took too long: narrow it, or try again later") from error
            if error.connection_invalidated or isinstance(cause, _AWAY):
                raise _away(error) from error
            raise

    async def probe(self) -> None:
        """For readiness: raises when no statement can be run."""
        async with self._engine.connect() as connection:
            await connection.execute(text("SELECT 1"))

    async def close(self) -> None:
        await self._engine.dispose()


def _away(error: BaseException) -> StorageUnavailable:
    _log.warning("the registry is away", reason=type(error).__name__)
    return StorageUnavailable("The registry of files cannot be reached now")

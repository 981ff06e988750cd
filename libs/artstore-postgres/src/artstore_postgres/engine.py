"""Engines with bounds, and the one place that tells an absent PostgreSQL from a wrong statement."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from typing import Any

import asyncpg
from artstore_core.errors import ArtStoreError
from opentelemetry.instrumentation.sqlalchemy import SQLAlchemyInstrumentor
from opentelemetry.sdk.trace import TracerProvider
from sqlalchemy import text
from sqlalchemy.engine import make_url
from sqlalchemy.exc import DBAPIError
from sqlalchemy.exc import TimeoutError as PoolTimeout
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine, create_async_engine

CONNECT_SECONDS = 2.0
STATEMENT_SECONDS = 30.0
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


def make_engine(
    url: str,
    *,
    application: str,
    pool_size: int,
    statement_seconds: float = STATEMENT_SECONDS,
    settings: Mapping[str, str] | None = None,
    tracer_provider: TracerProvider | None = None,
    **options: Any,
) -> AsyncEngine:
    """Connects when first used. `url` is `postgresql://…`; `settings` are PostgreSQL's own; `options` SQLAlchemy's.

    A statement that takes longer than `statement_seconds` is cancelled by the server; a server that does not even do
    that is given up a moment later.
    """
    server_settings = {
        "application_name": application,
        "statement_timeout": str(int(statement_seconds * 1000)),
        **(settings or {}),
    }
    engine = create_async_engine(
        make_url(url).set(drivername="postgresql+asyncpg"),
        pool_size=pool_size,
        max_overflow=0,
        pool_timeout=CONNECT_SECONDS,
        pool_pre_ping=True,
        hide_parameters=True,  # an error's text goes to the log, and a parameter may be a secret
        connect_args={
            "timeout": CONNECT_SECONDS,
            "command_timeout": statement_seconds + CONNECT_SECONDS,
            "server_settings": server_settings,
        },
        **options,
    )
    if tracer_provider is not None:
        SQLAlchemyInstrumentor().instrument(engine=engine.sync_engine, tracer_provider=tracer_provider)
    return engine


class Postgres:
    """Connections of one engine. `away` makes the error that callers hear when PostgreSQL cannot be reached."""

    def __init__(self, engine: AsyncEngine, away: Callable[[], ArtStoreError]) -> None:
        self._engine, self._away = engine, away

    @asynccontextmanager
    async def transaction(self) -> AsyncIterator[AsyncConnection]:
        """Commits at the end, rolls back on any error. Raises what `away` makes."""
        async with self._translated(), self._engine.begin() as connection:
            yield connection

    @asynccontextmanager
    async def reading(self) -> AsyncIterator[AsyncConnection]:
        """Commits nothing. Raises what `away` makes."""
        async with self._translated(), self._engine.connect() as connection:
            yield connection

    @asynccontextmanager
    async def on(self, connection: AsyncConnection) -> AsyncIterator[AsyncConnection]:
        """A transaction like any other, on a connection that `reading` gave and that is held on. Raises what `away` makes."""
        async with self._translated(), connection.begin():
            yield connection

    async def probe(self) -> None:
        """For readiness: raises when no statement can be run."""
        async with self._engine.connect() as connection:
            await connection.execute(text("SELECT 1"))

    async def close(self) -> None:
        await self._engine.dispose()

    @asynccontextmanager
    async def _translated(self) -> AsyncIterator[None]:
        try:
            yield
        except _AWAY as error:
            raise self._away() from error
        except DBAPIError as error:
            if error.connection_invalidated or isinstance(driver_error(error), _AWAY):
                raise self._away() from error
            raise


def driver_error(error: DBAPIError) -> BaseException | None:
    """asyncpg's own error, below SQLAlchemy's imitation of the DBAPI."""
    return error.orig.__cause__ if error.orig is not None else None

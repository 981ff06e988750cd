"""Engines with bounds, and the one place that tells an absent PostgreSQL from a wrong statement."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from time import perf_counter
from types import TracebackType
from typing import Any

import asyncpg
from artstore_core.errors import ArtStoreError
from artstore_kit.spans import SpanKind, span
from sqlalchemy import text
from sqlalchemy.engine import make_url
from sqlalchemy.exc import DBAPIError
from sqlalchemy.exc import TimeoutError as PoolTimeout
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine, create_async_engine

from artstore_postgres.spans import trace_statements

CONNECT_SECONDS = 2.0
STATEMENT_SECONDS = 30.0
_OF_POSTGRESQL = {"db.system.name": "postgresql"}
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
    traced: bool = False,
    **options: Any,
) -> AsyncEngine:
    """Connects when first used. `url` is `postgresql://…`; `settings` are PostgreSQL's own; `options` SQLAlchemy's.
    `traced`: a span for each statement, within traces that are recorded.

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
    if traced:
        trace_statements(engine)
    return engine


Waited = Callable[[float], None]
"""Hears how many seconds somebody waited for a connection, whether there was one in the end or not."""


class _Connecting:
    """A connection as `AsyncEngine.connect` gives it; `waited` hears what that took."""

    def __init__(self, engine: AsyncEngine, waited: Waited) -> None:
        self._connection, self._waited = engine.connect(), waited

    async def __aenter__(self) -> AsyncConnection:
        began = perf_counter()
        try:
            return await self._connection.__aenter__()
        finally:
            self._waited(perf_counter() - began)

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, where: TracebackType | None
    ) -> None:
        await self._connection.__aexit__(kind, error, where)


class _Transaction:
    """As `AsyncConnection.begin` gives it; its end, where PostgreSQL waits for its disk, has a span."""

    def __init__(self, connection: AsyncConnection) -> None:
        self._transaction = connection.begin()

    async def __aenter__(self) -> None:
        await self._transaction.__aenter__()

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, where: TracebackType | None
    ) -> None:
        with span("COMMIT" if kind is None else "ROLLBACK", _OF_POSTGRESQL, SpanKind.CLIENT):
            await self._transaction.__aexit__(kind, error, where)


class Postgres:
    """Connections of one engine. `away` makes the error that callers hear when PostgreSQL cannot be reached."""

    def __init__(self, engine: AsyncEngine, away: Callable[[], ArtStoreError], waited: Waited = lambda _: None) -> None:
        self._engine, self._away, self._waited = engine, away, waited

    @asynccontextmanager
    async def transaction(self) -> AsyncIterator[AsyncConnection]:
        """Commits at the end, rolls back on any error. Raises what `away` makes."""
        async with (
            self._translated(),
            _Connecting(self._engine, self._waited) as connection,
            _Transaction(connection),
        ):
            yield connection

    @asynccontextmanager
    async def reading(self) -> AsyncIterator[AsyncConnection]:
        """Commits nothing. Raises what `away` makes."""
        async with self._translated(), _Connecting(self._engine, self._waited) as connection:
            yield connection

    @asynccontextmanager
    async def on(self, connection: AsyncConnection) -> AsyncIterator[AsyncConnection]:
        """A transaction like any other, on a connection that `reading` gave and that is held on. Raises what `away` makes."""
        async with self._translated(), _Transaction(connection):
            yield connection

    async def warm(self, connections: int) -> None:
        """Opens so many, one after another, for whoever asks first. Does nothing where PostgreSQL is away.

        Much begins at once when a service starts, and each new connection has a password to derive: on a busy machine all of
        them together would take longer than each may.
        """
        async with AsyncExitStack() as held:
            with suppress(*_AWAY, DBAPIError):
                for _ in range(connections):
                    await held.enter_async_context(self._engine.connect())

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

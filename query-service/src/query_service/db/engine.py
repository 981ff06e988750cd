"""The way to PostgreSQL: read-only, at one instant, and never for long."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import asyncpg
from artstore_core.errors import StorageUnavailable
from artstore_kit.logs import get_logger
from artstore_postgres.engine import Postgres, driver_error
from sqlalchemy.exc import DBAPIError
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

_log = get_logger(__name__)

POOL_SIZE = 20
ISOLATION = "REPEATABLE READ"
"""A page and its facets are of one instant."""
SETTINGS = {
    "default_transaction_read_only": "on",
    "jit": "off",  # compiling a plan takes longer than running one that has indexes
}


class Database:
    """Connections for reading."""

    def __init__(self, engine: AsyncEngine) -> None:
        self._postgres = Postgres(engine, away=_away)
        self.probe = self._postgres.probe
        self.close = self._postgres.close

    @asynccontextmanager
    async def reading(self) -> AsyncIterator[AsyncConnection]:
        """Raises StorageUnavailable when PostgreSQL is away or does not come to an end."""
        try:
            async with self._postgres.reading() as connection:
                yield connection
        except DBAPIError as error:
            if isinstance(driver_error(error), asyncpg.QueryCanceledError):
                raise StorageUnavailable("The search took too long: narrow it, or try again later") from error
            raise


def _away() -> StorageUnavailable:
    _log.warning("the registry is away")
    return StorageUnavailable("The registry of files cannot be reached now")

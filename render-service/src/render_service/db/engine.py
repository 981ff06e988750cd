"""The way to PostgreSQL, and what callers hear when it is away."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import asyncpg
from artstore_core.errors import StorageUnavailable
from artstore_kit.logs import get_logger
from artstore_postgres.engine import Postgres, Waited, driver_error
from sqlalchemy.exc import DBAPIError
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

_log = get_logger(__name__)

SETTINGS = {"jit": "off"}
"""Compiling a plan takes longer than running one of these."""


class Database(Postgres):
    """A transaction that another one stood in the way of is to be tried again, like one that the database was away for."""

    def __init__(self, engine: AsyncEngine, waited: Waited = lambda _: None) -> None:
        super().__init__(engine, away=_away, waited=waited)

    @asynccontextmanager
    async def transaction(self) -> AsyncIterator[AsyncConnection]:
        try:
            async with super().transaction() as connection:
                yield connection
        except DBAPIError as error:
            if isinstance(driver_error(error), asyncpg.DeadlockDetectedError):
                raise StorageUnavailable(
                    "The database of previews was busy with something else", retry_after=1
                ) from error
            raise


def _away() -> StorageUnavailable:
    _log.warning("the database is away")
    return StorageUnavailable("The database of previews cannot be reached now")

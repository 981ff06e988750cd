"""The way to PostgreSQL: read-only but for one function, at one instant, and never for long."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager

import asyncpg
from artstore_core.errors import StorageUnavailable
from artstore_kit.logs import get_logger
from artstore_postgres.engine import Postgres, Waited, driver_error
from sqlalchemy import text
from sqlalchemy.exc import DBAPIError
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from query_service.search.service import TookTooLong

_log = get_logger(__name__)

POOL_SIZE = 20
SEARCHES = 15
"""At a time. What is left of the pool looks up files: downloads shall not wait for searches."""
ISOLATION = "REPEATABLE READ"
"""A page and its facets are of one instant."""
_MAY_WRITE = text("SET TRANSACTION ISOLATION LEVEL READ COMMITTED, READ WRITE")
"""Another's mark of the same file is waited for; under the other level it would be an error."""
SETTINGS = {
    "default_transaction_read_only": "on",
    "jit": "off",  # compiling a plan takes longer than running one that has indexes
    "plan_cache_mode": "force_custom_plan",  # which plan is good depends on how many files have the words
    "work_mem": "32MB",  # a bitmap that does not fit forgets which rows it means, and each is taken apart again
    "max_parallel_workers_per_gather": "0",  # starting a worker takes longer than most searches
    "random_page_cost": "1.1",
    "pg_trgm.word_similarity_threshold": "0.5",  # how far a word of mode partial may be mistyped
}


class Database:
    """Connections for reading, and for the one mark that this service may set."""

    def __init__(self, engine: AsyncEngine, waited: Waited = lambda _: None) -> None:
        self._postgres = Postgres(engine, away=_away, waited=waited)
        self.probe = self._postgres.probe
        self.close = self._postgres.close

    @asynccontextmanager
    async def reading(self) -> AsyncIterator[AsyncConnection]:
        """Raises StorageUnavailable when PostgreSQL is away or does not come to an end."""
        with _translated():
            async with self._postgres.reading() as connection:
                yield connection

    @asynccontextmanager
    async def marking(self) -> AsyncIterator[AsyncConnection]:
        """Commits at the end. What may be changed is the role's affair. Raises StorageUnavailable."""
        with _translated():
            async with self._postgres.transaction() as connection:
                await connection.execute(_MAY_WRITE)
                yield connection


@contextmanager
def _translated() -> Iterator[None]:
    try:
        yield
    except DBAPIError as error:
        cause = driver_error(error)
        if isinstance(cause, asyncpg.QueryCanceledError):
            raise TookTooLong("This took too long: narrow the search, or try again later") from error
        if isinstance(cause, asyncpg.SerializationError):
            # A replica replays what the primary cleaned up, and gives up the statements in its way.
            raise StorageUnavailable("The registry of files was busy with something else", retry_after=1) from error
        raise


def _away() -> StorageUnavailable:
    _log.warning("the registry is away")
    return StorageUnavailable("The registry of files cannot be reached now")

"""The SQL of a search by itself: what query-service runs for a body, caught once and then run by hand."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from typing import Any

import asyncpg
from artstore_postgres.engine import make_engine
from query_service.db import engine
from query_service.db.search import SearchIndex
from query_service.search.request import SearchRequest
from query_service.search.service import search
from sqlalchemy import event
from sqlalchemy.ext.asyncio import AsyncEngine


@dataclass(frozen=True)
class Statement:
    sql: str
    values: tuple[Any, ...]

    @property
    def name(self) -> str:
        return self.sql.split("*/")[0].removeprefix("/*").strip()


class Catcher:
    """Query's own way to PostgreSQL, with an ear at it."""

    def __init__(self, made: AsyncEngine) -> None:
        self._index = SearchIndex(engine.Database(made), loose_seconds=60)
        self._caught: list[Statement] = []
        event.listen(made.sync_engine, "before_cursor_execute", self._catch)

    def _catch(self, *given: Any) -> None:
        _, _, sql, values, *_ = given
        self._caught.append(Statement(sql, tuple(values)))

    async def statements(self, body: Mapping[str, Any]) -> list[Statement]:
        self._caught.clear()
        await search(self._index, SearchRequest.model_validate(body))
        return list(self._caught)


@asynccontextmanager
async def catcher(url: str) -> AsyncIterator[Catcher]:
    made = make_engine(
        url,
        application="bench",
        pool_size=1,
        statement_seconds=120,
        settings=engine.SETTINGS,
        isolation_level=engine.ISOLATION,
    )
    try:
        yield Catcher(made)
    finally:
        await made.dispose()


async def connected(url: str) -> asyncpg.Connection:
    """By hand, but with the settings that query has."""
    connection = await asyncpg.connect(url, server_settings=engine.SETTINGS)
    # JSON comes as text, as by SQLAlchemy's dialect.
    for name in ("json", "jsonb"):
        await connection.set_type_codec(name, schema="pg_catalog", encoder=str, decoder=str, format="text")
    return connection


async def run(connection: asyncpg.Connection, statements: list[Statement]) -> None:
    """As query does, which takes the end of a try that lasts too long for an answer."""
    with suppress(asyncpg.QueryCanceledError):
        async with connection.transaction(isolation="repeatable_read", readonly=True):
            for statement in statements:
                await connection.fetch(statement.sql, *statement.values)


async def plans(connection: asyncpg.Connection, statements: list[Statement]) -> list[str]:
    """EXPLAIN (ANALYZE, BUFFERS) of each that reads files, as text."""
    texts = []
    for statement in statements:
        if statement.name in {"search_estimate", "search_hurriedly"}:
            continue
        rows = await connection.fetch(f"EXPLAIN (ANALYZE, BUFFERS) {statement.sql}", *statement.values)
        texts.append(f"-- {statement.name}\n" + "\n".join(row[0] for row in rows))
    return texts

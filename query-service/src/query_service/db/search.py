"""search.service.Index on PostgreSQL."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import date
from typing import Any, Final

from sqlalchemy import Row
from sqlalchemy.ext.asyncio import AsyncConnection

from query_service.db.conditions import DAY, FACET_VALUES, SORT_KEY, Composed, compose, marked
from query_service.db.engine import Database
from query_service.db.files import file_columns
from query_service.db.queries import query
from query_service.db.ranking import EXACT_UP_TO, RANKED, ranked_page, since_when
from query_service.search.answer import FacetValue, Found
from query_service.search.cursor import Position
from query_service.search.request import Facet, SearchRequest, SortBy
from query_service.search.service import Hit, Hits
from query_service.search.words import Marked

FACET_LIMIT: Final = 50
FACETED: Final = 20_000
"""Of more hits than these, facets count about so many of the newest."""


class SearchIndex:
    """`loose_seconds`: how long what is only like what was asked for may be looked for."""

    def __init__(self, database: Database, loose_seconds: float) -> None:
        self._database = database
        self._hurry = {"milliseconds": str(max(1, int(loose_seconds * 1000)))}

    async def search(
        self, request: SearchRequest, after: Position | None, limit: int, *, loosely: bool = False
    ) -> Hits:
        composed = compose(request, after, loosely=loosely)
        async with self._database.reading() as connection:
            if loosely:
                await connection.execute(query("search_hurriedly"), self._hurry)
            if request.order is SortBy.RELEVANCE:
                hits = await _by_relevance(connection, request, composed, limit)
            else:
                hits = await _by_key(connection, request, composed, limit)
            return await _with_facets(connection, request, composed, hits) if request.facets else hits


async def _with_facets(connection: AsyncConnection, request: SearchRequest, composed: Composed, hits: Hits) -> Hits:
    """Of very many hits, the newest are counted: each has to be read."""
    since = await since_when(connection, FACETED / hits.total) if hits.total > FACETED else None
    facets = {facet: await _facet(connection, facet, composed, since) for facet in dict.fromkeys(request.facets)}
    return replace(hits, facets=facets, facets_exact=since is None)


async def _by_relevance(connection: AsyncConnection, request: SearchRequest, composed: Composed, limit: int) -> Hits:
    expected = await _estimate(connection, composed)
    page = await ranked_page(connection, request, composed, limit, expected)
    return Hits(
        hits=_hits(request, page.rows),
        total=page.total if page.counted_all else max(page.total, expected),
        total_exact=page.counted_all,
        ranking_exact=page.counted_all and page.total <= RANKED,
        facets={},
    )


async def _by_key(connection: AsyncConnection, request: SearchRequest, composed: Composed, limit: int) -> Hits:
    statement = query(
        "search_page",
        sort_key=SORT_KEY[request.order],
        relevance=composed.relevance if request.by_words else "NULL",
        taken_apart=composed.taken_apart if request.by_words else "",
        conditions=composed.conditions,
        after=composed.after,
        direction=request.sort_order.value.upper(),
        marked_filename=marked(composed, "original_filename", "page"),
        marked_description=marked(composed, "description", "page"),
    )
    # One more than is counted exactly tells that there are more; LIMIT NULL is no limit.
    count_limit = None if request.exact_total else EXACT_UP_TO + 1
    paging = {"limit": limit, "offset": request.offset, "count_limit": count_limit}
    rows = list(await connection.execute(statement, composed.values | paging))
    counted = int(rows[0].total)
    exact = request.exact_total or counted <= EXACT_UP_TO
    return Hits(
        hits=_hits(request, rows),
        total=counted if exact else max(counted, await _estimate(connection, composed)),
        total_exact=exact,
        ranking_exact=True,
        facets={},
    )


def _hits(request: SearchRequest, rows: Sequence[Row[Any]]) -> list[Hit]:
    return [_hit(request, row) for row in rows if row.file_id is not None]


async def _estimate(connection: AsyncConnection, composed: Composed) -> int:
    statement = query("search_estimate", conditions=composed.conditions)
    plan = (await connection.execute(statement, _used(composed))).scalar_one()
    return int(plan[0]["Plan"]["Plan Rows"])


async def _facet(connection: AsyncConnection, facet: Facet, composed: Composed, since: date | None) -> list[FacetValue]:
    window = "true" if since is None else f"{DAY} >= CAST(:since AS date)"
    statement = query("search_facet", values=FACET_VALUES[facet], conditions=composed.conditions, window=window)
    values = _used(composed) | {"facet_limit": FACET_LIMIT} | ({} if since is None else {"since": since})
    rows = await connection.execute(statement, values)
    return [FacetValue(value=row.value, count=row.count) for row in rows]


def _used(composed: Composed) -> dict[str, Any]:
    """Without the cursor's: count and facets are of the whole list, not of what is left of it."""
    return {name: value for name, value in composed.values.items() if not name.startswith("after_")}


def _hit(request: SearchRequest, row: Row[Any]) -> Hit:
    columns = file_columns(row)
    if request.by_words:
        columns |= {"relevance_score": row.relevance, "highlights": _highlights(row)}
    return Hit(Found.model_validate(columns), Position(row.sort_key, row.file_id))


def _highlights(row: Row[Any]) -> dict[str, list[str]]:
    found = {
        "original_filename": Marked.of(row.original_filename, row.marked_filename).whole(),
        "description": Marked.of(row.description or "", row.marked_description).pieces(),
    }
    return {field: pieces for field, pieces in found.items() if pieces}

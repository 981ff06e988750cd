"""search.service.Index on PostgreSQL."""

from __future__ import annotations

from typing import Any, Final

from sqlalchemy import Row
from sqlalchemy.ext.asyncio import AsyncConnection

from query_service.db.conditions import FACET_VALUES, SORT_KEY, WORDS_IN_NAME, Composed, compose, marked, relevance
from query_service.db.engine import Database
from query_service.db.files import file_columns
from query_service.db.queries import query
from query_service.search.answer import FacetValue, Found
from query_service.search.cursor import Position
from query_service.search.request import Facet, SearchRequest, SortBy, SortOrder
from query_service.search.service import Hit, Hits
from query_service.search.words import Marked

EXACT_UP_TO: Final = 10_000
RANKED: Final = 500
"""Of more hits than these, the rest comes behind them, unranked (queries.sql, `search_ranked`)."""
FACET_LIMIT: Final = 50
_RANKED_ALONE: Final = "SELECT file_id, sort_key FROM ranked"
_THEN_THE_REST: Final = (
    "SELECT file_id, coalesce(ranked.sort_key, 0) AS sort_key FROM hits LEFT JOIN ranked USING (file_id)"
)


class SearchIndex:
    def __init__(self, database: Database) -> None:
        self._database = database

    async def search(self, request: SearchRequest, after: Position | None, limit: int) -> Hits:
        composed = compose(request, after)
        async with self._database.reading() as connection:
            by_relevance = request.order is SortBy.RELEVANCE
            rows = await (_ranked_page if by_relevance else _page)(connection, request, composed, limit)
            counted = int(rows[0].total)
            exact = request.exact_total or counted <= EXACT_UP_TO
            return Hits(
                hits=[_hit(request, row) for row in rows if row.file_id is not None],
                total=counted if exact else max(counted, await _estimate(connection, composed)),
                total_exact=exact,
                ranking_exact=not by_relevance or counted <= RANKED,
                facets={facet: await _facet(connection, facet, composed) for facet in dict.fromkeys(request.facets)},
            )


async def _page(connection: AsyncConnection, request: SearchRequest, composed: Composed, limit: int) -> list[Row[Any]]:
    statement = query(
        "search_page",
        sort_key=SORT_KEY[request.order],
        relevance=relevance(request),
        conditions=composed.conditions,
        after=composed.after,
        direction=request.sort_order.value.upper(),
        marked_filename=marked(request, "original_filename", "page"),
        marked_description=marked(request, "description", "page"),
    )
    return list(await connection.execute(statement, composed.values | _paging(request, limit)))


async def _ranked_page(
    connection: AsyncConnection, request: SearchRequest, composed: Composed, limit: int
) -> list[Row[Any]]:
    """The unranked are looked at only when the ranked do not fill the page, or when they come first."""
    if request.sort_order is SortOrder.DESC:
        rows = await _ranked(connection, request, composed, limit, _RANKED_ALONE)
        if len(rows) == limit or rows[0].total <= RANKED:
            return rows
    return await _ranked(connection, request, composed, limit, _THEN_THE_REST)


async def _ranked(
    connection: AsyncConnection, request: SearchRequest, composed: Composed, limit: int, listed: str
) -> list[Row[Any]]:
    statement = query(
        "search_ranked",
        words_in_name=WORDS_IN_NAME,
        relevance=relevance(request),
        conditions=composed.conditions,
        listed=listed,
        after=composed.after,
        direction=request.sort_order.value.upper(),
        marked_filename=marked(request, "original_filename", "f"),
        marked_description=marked(request, "description", "f"),
    )
    bounds = {"newest_limit": EXACT_UP_TO, "ranked_limit": RANKED}
    return list(await connection.execute(statement, composed.values | _paging(request, limit) | bounds))


def _paging(request: SearchRequest, limit: int) -> dict[str, Any]:
    # One more than is counted exactly tells that there are more; LIMIT NULL is no limit.
    count_limit = None if request.exact_total else EXACT_UP_TO + 1
    return {"limit": limit, "offset": request.offset, "count_limit": count_limit}


async def _estimate(connection: AsyncConnection, composed: Composed) -> int:
    statement = query("search_estimate", conditions=composed.conditions)
    plan = (await connection.execute(statement, _used(composed))).scalar_one()
    return int(plan[0]["Plan"]["Plan Rows"])


async def _facet(connection: AsyncConnection, facet: Facet, composed: Composed) -> list[FacetValue]:
    statement = query("search_facet", values=FACET_VALUES[facet], conditions=composed.conditions)
    rows = await connection.execute(statement, _used(composed) | {"facet_limit": FACET_LIMIT})
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

"""search.service.Index on PostgreSQL."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any, Final

from sqlalchemy import Row
from sqlalchemy.ext.asyncio import AsyncConnection

from query_service.db.conditions import FACET_VALUES, SORT_KEY, Composed, compose, marked
from query_service.db.engine import Database
from query_service.db.files import file_columns
from query_service.db.queries import query
from query_service.db.ranking import EXACT_UP_TO, RANKED, WINDOWED, Window, ranked_page, window_of
from query_service.search.answer import FacetValue, Found
from query_service.search.cursor import Position
from query_service.search.request import Facet, SearchRequest, SortBy
from query_service.search.service import Hit, Hits
from query_service.search.words import Marked

FACET_LIMIT: Final = 50
FACETED: Final = 10_000
"""Of more hits than these, facets count about so many of the newest."""
KEPT: Final = 50_000
"""Up to so many hits of words are all found before they are sorted. The planner would walk the files in the order asked for
and take each apart, which it thinks as cheap: right for words that every twentieth file has, and ten times too long for others."""


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
    window = await window_of(connection, FACETED / hits.total) if hits.total > FACETED else None
    facets = await _facets(connection, list(dict.fromkeys(request.facets)), composed, window)
    return replace(hits, facets=facets, facets_exact=window is None)


async def _facets(
    connection: AsyncConnection, facets: Sequence[Facet], composed: Composed, window: Window | None
) -> dict[Facet, list[FacetValue]]:
    counted = (query("search_facet", facet=facet.value, values=FACET_VALUES[facet]).text for facet in facets)
    statement = query(
        "search_facets",
        conditions=composed.conditions,
        window="true" if window is None else WINDOWED,
        facets=" UNION ALL ".join(counted),
    )
    since = {} if window is None else {"since": window.since}
    values = composed.of_all | {"facet_limit": FACET_LIMIT} | since
    found: dict[Facet, list[FacetValue]] = {facet: [] for facet in facets}
    for row in await connection.execute(statement, values):
        found[Facet(row.facet)].append(FacetValue(value=row.value, count=row.count))
    return found


async def _by_relevance(connection: AsyncConnection, request: SearchRequest, composed: Composed, limit: int) -> Hits:
    expected = await _estimate(connection, composed)
    page = await ranked_page(connection, request, composed, limit, expected)
    return Hits(
        hits=_hits(request, page.rows),
        total=page.total,
        total_exact=page.counted_all,
        ranking_exact=page.counted_all and page.total <= RANKED,
        facets={},
    )


async def _by_key(connection: AsyncConnection, request: SearchRequest, composed: Composed, limit: int) -> Hits:
    """As many hits as are counted exactly are found by the index and sorted. Only where there are more may the planner walk
    the files in the order asked for: it thinks so of tags that no file has as well, and would come to the last file."""
    rows = await _page(connection, request, composed, limit, _FEW)
    counted = int(rows[0].total)
    exact = counted <= EXACT_UP_TO
    if not exact:
        expected = await _estimate(connection, composed)
        rows = await _page(connection, request, composed, limit, _Way.to_many(request, expected))
        exact = request.exact_total
        counted = int(rows[0].total) if exact else max(counted, expected)
    return Hits(hits=_hits(request, rows), total=counted, total_exact=exact, ranking_exact=True, facets={})


@dataclass(frozen=True, slots=True)
class _Way:
    """How `search_page` comes to its hits."""

    kept: str
    bounded: str
    worthwhile: str
    count_limit: int | None
    """None is no limit."""

    @classmethod
    def to_many(cls, request: SearchRequest, expected: int) -> _Way:
        kept = "MATERIALIZED" if request.by_words and expected <= KEPT else "NOT MATERIALIZED"
        return cls(kept, "", "true", None if request.exact_total else 0)


# One more than is counted exactly tells that there are more; then the page is of no use.
_FEW: Final = _Way("MATERIALIZED", "LIMIT :count_limit", "(SELECT total FROM counted) < :count_limit", EXACT_UP_TO + 1)


async def _page(
    connection: AsyncConnection, request: SearchRequest, composed: Composed, limit: int, way: _Way
) -> Sequence[Row[Any]]:
    statement = query(
        "search_page",
        kept=way.kept,
        bounded=way.bounded,
        worthwhile=way.worthwhile,
        sort_key=SORT_KEY[request.order],
        relevance=composed.relevance if request.by_words else "NULL",
        taken_apart=composed.taken_apart if request.by_words else "",
        conditions=composed.conditions,
        after=composed.after,
        direction=request.sort_order.value.upper(),
        marked_filename=marked(composed, "original_filename", "f"),
        marked_description=marked(composed, "description", "f"),
    )
    paging = {"limit": limit, "offset": request.offset, "count_limit": way.count_limit}
    return list(await connection.execute(statement, composed.values | paging))


def _hits(request: SearchRequest, rows: Sequence[Row[Any]]) -> list[Hit]:
    return [_hit(request, row) for row in rows if row.file_id is not None]


async def _estimate(connection: AsyncConnection, composed: Composed) -> int:
    statement = query("search_estimate", conditions=composed.conditions)
    plan = (await connection.execute(statement, composed.of_all)).scalar_one()
    return int(plan[0]["Plan"]["Plan Rows"])


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

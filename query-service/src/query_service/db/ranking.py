"""Hits by relevance, at a price that does not go with their number."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from typing import Any, Final

from sqlalchemy import Row
from sqlalchemy.ext.asyncio import AsyncConnection

from query_service.db.conditions import DAY, Composed, marked
from query_service.db.queries import query
from query_service.search.request import SearchRequest, SortOrder

EXACT_UP_TO: Final = 10_000
RANKED: Final = 200
"""Of more hits than these, the rest comes behind them, unranked (queries.sql, `search_ranked`)."""
_NEWEST: Final = 5_000
"""Of so many hits, the names are looked at for which are worth ranking."""
_WINDOW: Final = 12_500
"""So many hits are wanted of the newest files, where there are more than are counted: enough to know that there are."""
_RECHECKED_WINDOW: Final = 1_500
"""The same where a hit has to be taken apart to know that it is one: enough to rank."""
_RANKED_ALONE: Final = "SELECT file_id, sort_key FROM ranked"
_THEN_THE_REST: Final = (
    "SELECT f.file_id, coalesce(ranked.sort_key, 0) AS sort_key"
    " FROM files AS f LEFT JOIN ranked USING (file_id) WHERE {conditions}"
)


@dataclass(frozen=True, slots=True)
class Ranked:
    """`total` hits were counted; `counted_all`: there are no others."""

    rows: Sequence[Row[Any]]
    total: int
    counted_all: bool


async def ranked_page(
    connection: AsyncConnection, request: SearchRequest, composed: Composed, limit: int, expected: int
) -> Ranked:
    """`expected`: how many hits the planner thinks there are. It may be wrong by any factor; then it only takes longer."""
    since = None
    if expected > EXACT_UP_TO and not request.exact_total:
        wanted = _RECHECKED_WINDOW if composed.rechecked else _WINDOW
        since = await since_when(connection, wanted / expected)
    page = await _page(connection, request, composed, limit, since)
    enough = RANKED if composed.rechecked else EXACT_UP_TO
    if since is not None and page.total <= enough:
        page = await _page(connection, request, composed, limit, None)
    return page


async def since_when(connection: AsyncConnection, share: float) -> date | None:
    """The day from which on about this share of all files was uploaded; None: from the beginning."""
    if share >= 1:
        return None
    since: date | None = (await connection.execute(query("search_since"), {"share": share})).scalar_one_or_none()
    return since


async def _page(
    connection: AsyncConnection, request: SearchRequest, composed: Composed, limit: int, since: date | None
) -> Ranked:
    """The unranked are looked at only when the ranked do not fill the page, or when they come first."""
    if request.sort_order is SortOrder.DESC:
        page = await _listed(connection, request, composed, limit, since, _RANKED_ALONE)
        if len(page.rows) == limit or page.total <= RANKED:
            return page
    rest = _THEN_THE_REST.format(conditions=composed.conditions)
    return await _listed(connection, request, composed, limit, since, rest)


async def _listed(
    connection: AsyncConnection,
    request: SearchRequest,
    composed: Composed,
    limit: int,
    since: date | None,
    listed: str,
) -> Ranked:
    statement = query(
        "search_ranked",
        nearness=composed.nearness,
        relevance=composed.relevance,
        taken_apart=composed.taken_apart,
        conditions=composed.conditions,
        window="true" if since is None else f"{DAY} >= CAST(:since AS date)",
        listed=listed,
        after=composed.after,
        direction=request.sort_order.value.upper(),
        marked_filename=marked(composed, "original_filename", "f"),
        marked_description=marked(composed, "description", "f"),
    )
    bounds = {"newest_limit": _NEWEST, "ranked_limit": RANKED, "limit": limit, "offset": request.offset}
    values = composed.values | bounds | ({} if since is None else {"since": since})
    rows = list(await connection.execute(statement, values))
    return Ranked(rows, int(rows[0].total), since is None)

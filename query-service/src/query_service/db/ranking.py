"""Hits by relevance, at a price that does not go with their number."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import date
from typing import Any, Final

from sqlalchemy import Row
from sqlalchemy.ext.asyncio import AsyncConnection

from query_service.db.conditions import DAY, Composed, marked
from query_service.db.queries import query
from query_service.search.request import SearchMode, SearchRequest, SortOrder

EXACT_UP_TO: Final = 10_000
RANKED: Final = 200
"""Of more hits than these, the rest comes behind them, unranked (queries.sql, `search_ranked`)."""
_NEWEST: Final = 5_000
"""Of so many hits, the names are looked at for which are worth ranking."""
_WINDOW: Final = 12_500
"""So many hits are wanted of the newest files, where there are more than are counted: enough to know that there are."""
_RECHECKED_WINDOW: Final = 1_500
"""The same where a hit has to be taken apart to know that it is one: enough to rank."""
_WINDOWS: Final = 2
"""So often a window is tried; what the first one held tells how wide the second must be."""
_SAMPLE: Final = 1 / 64
_SAMPLED: Final = 1_000
"""Of all files, the newest are looked through to know how many hits there may be: this share of them, or so many hits."""
_WORTH_A_SAMPLE: Final = 2_500
_SURELY_MORE: Final = 2 * EXACT_UP_TO
"""What a sample must promise before it is believed, of what is dear to count, that there are more than are counted."""
WINDOWED: Final = f"{DAY} >= CAST(:since AS date)"
_RANKED_ALONE: Final = "SELECT file_id, sort_key FROM ranked"
_THEN_THE_REST: Final = (
    "SELECT f.file_id, coalesce(ranked.sort_key, 0) AS sort_key"
    " FROM files AS f LEFT JOIN ranked USING (file_id) WHERE {conditions}"
)


@dataclass(frozen=True, slots=True)
class Ranked:
    """`total` hits were counted, or are thought to be there; `counted_all`: those were counted, and there are no others."""

    rows: Sequence[Row[Any]]
    total: int
    counted_all: bool


async def ranked_page(
    connection: AsyncConnection, request: SearchRequest, composed: Composed, limit: int, expected: int
) -> Ranked:
    """`expected`: how many hits the planner thinks there are. It may be wrong by any factor; then it only takes longer."""
    wanted, enough, most = _WINDOW, EXACT_UP_TO, EXACT_UP_TO
    if composed.rechecked:
        wanted, enough, most = _RECHECKED_WINDOW, RANKED, _SURELY_MORE
    if not request.exact_total:
        guess = await _sampled(connection, request, composed, expected)
        for _ in range(_WINDOWS):
            window = await window_of(connection, wanted / max(guess, 1)) if guess > most else None
            if window is None:
                break
            page = await _page(connection, request, composed, limit, window.since)
            if page.total > enough:
                return replace(page, total=max(page.total, guess))
            guess = round(page.total / window.share)
    return await _page(connection, request, composed, limit, None)


async def _sampled(connection: AsyncConnection, request: SearchRequest, composed: Composed, expected: int) -> int:
    """How many hits there seem to be. Of words the planner has statistics, and `expected` is right but for a phrase; of parts
    of words it has none that are good enough."""
    known = request.mode is not SearchMode.PARTIAL or expected <= _WORTH_A_SAMPLE
    if known and not composed.rechecked:
        return expected
    window = await window_of(connection, min(_SAMPLE, _SAMPLED / max(expected, 1)))
    if window is None:
        return expected
    statement = query("search_sample", conditions=composed.conditions, window=WINDOWED)
    found = int((await connection.execute(statement, composed.of_all | {"since": window.since})).scalar_one())
    return round(found / window.share)


@dataclass(frozen=True, slots=True)
class Window:
    """The newest files: those from the midnight of `since` on (UTC), which are `share` of all."""

    since: date
    share: float


async def window_of(connection: AsyncConnection, share: float) -> Window | None:
    """The days at the end that hold about this share of all files. None: all of them, or nobody knows."""
    if share >= 1:
        return None
    row = (await connection.execute(query("search_since"), {"share": share})).one_or_none()
    # Less than nothing is known of files that are newer than the statistics: then it is at least what was asked for.
    return None if row is None or row.share >= 1 else Window(row.since, max(float(row.share), share))


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
        window="true" if since is None else WINDOWED,
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

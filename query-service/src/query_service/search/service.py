"""The use case behind `POST /api/v1/search`."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

from artstore_core.errors import ValidationFailed

from query_service.search.answer import FacetValue, Found, SearchAnswer
from query_service.search.cursor import Position, decode, encode
from query_service.search.request import Facet, Mode, SearchRequest, SortBy
from query_service.search.words import MAX_PARTS, parts


@dataclass(frozen=True, slots=True)
class Hit:
    """A file found, and where in the order it stands."""

    file: Found
    position: Position


@dataclass(frozen=True, slots=True)
class Hits:
    """`hits` may hold one more than asked for, which tells that there are more."""

    hits: Sequence[Hit]
    total: int
    total_exact: bool
    ranking_exact: bool
    facets: Mapping[Facet, list[FacetValue]]


class Index(Protocol):
    """What is known of all files, as of one instant. Raises StorageUnavailable when it cannot be asked."""

    async def search(self, request: SearchRequest, after: Position | None, limit: int) -> Hits: ...


async def search(index: Index, request: SearchRequest) -> SearchAnswer:
    """Raises ValidationFailed for what cannot be honoured together."""
    if request.sort_by is SortBy.RELEVANCE and not request.by_words:
        raise ValidationFailed("Nothing to rank by", details={"sort_by": "relevance needs mode fulltext and a query"})
    if request.mode is Mode.PARTIAL and len(parts(request.query or "")) > MAX_PARTS:
        raise ValidationFailed("The query is too long", details={"query": f"has more than {MAX_PARTS} words"})
    found = await index.search(request, decode(request), request.limit + 1)
    page, more = found.hits[: request.limit], len(found.hits) > request.limit
    return SearchAnswer(
        items=[hit.file for hit in page],
        total=found.total,
        limit=request.limit,
        offset=request.offset,
        has_more=more,
        total_exact=found.total_exact,
        ranking_exact=found.ranking_exact,
        facets=dict(found.facets),
        next_cursor=encode(request, page[-1].position) if more else None,
    )

"""The use case behind `POST /api/v1/search`."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from typing import Protocol

from artstore_core.errors import StorageUnavailable, ValidationFailed

from query_service.search.answer import FacetValue, Found, SearchAnswer
from query_service.search.cursor import Position, decode, encode
from query_service.search.request import Facet, SearchMode, SearchRequest, SortBy
from query_service.search.words import MAX_PARTS, MAX_WORDS, only_excludes, parts, searchable, words


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
    facets_exact: bool = True


class TookTooLong(StorageUnavailable):
    """PostgreSQL is there, and gave up at the limit of time."""


class Index(Protocol):
    """What is known of all files, as of one instant. Raises StorageUnavailable when it cannot be asked, or TookTooLong."""

    async def search(
        self, request: SearchRequest, after: Position | None, limit: int, *, loosely: bool = False
    ) -> Hits: ...


async def search(index: Index, request: SearchRequest) -> SearchAnswer:
    """Raises ValidationFailed for what cannot be honoured together, or would have every file looked at."""
    _check(request)
    after = decode(request)
    loosely = after is not None and after.loosely
    found = await index.search(request, after, request.limit + 1, loosely=loosely)
    if not found.total and not loosely and request.can_be_loosened:
        # In time or not at all: that nothing was found is an answer too.
        with suppress(TookTooLong):
            found, loosely = await index.search(request, after, request.limit + 1, loosely=True), True
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
        facets_exact=found.facets_exact,
        next_cursor=encode(request, replace(page[-1].position, loosely=loosely)) if more else None,
    )


def _check(request: SearchRequest) -> None:
    if request.sort_by is SortBy.RELEVANCE and not request.rankable:
        raise _refused("Nothing to rank by", sort_by="relevance needs mode fulltext or partial, and a query")
    if request.filename is not None and request.mode is not SearchMode.EXACT and not searchable(request.filename):
        raise _refused("Nothing to look for", filename="has neither a letter nor a digit")
    query = request.query or ""
    if request.mode is SearchMode.PARTIAL and query:
        if len(parts(query)) > MAX_PARTS:
            raise _refused("The query is too long", query=f"has more than {MAX_PARTS} words")
        if not any(searchable(part) for part in parts(query)):
            raise _refused("Nothing to look for", query="has neither a letter nor a digit")
    if request.mode is SearchMode.FULLTEXT and query:
        if len(words(query)) > MAX_WORDS:
            raise _refused("The query is too long", query=f"has more than {MAX_WORDS} words")
        if only_excludes(query):
            raise _refused("Nothing to look for", query="says, alone or after an `or`, only what not to find")


def _refused(message: str, **details: str) -> ValidationFailed:
    return ValidationFailed(message, details=details)

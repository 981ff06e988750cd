"""A search as SQL: one fragment for each thing that may be asked, every value a parameter."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from artstore_core.files import FileStatus

from query_service.search.cursor import Position
from query_service.search.request import Facet, Mode, SearchRequest, SortBy, SortOrder
from query_service.search.words import START, STOP, parts, web_query

_NAME: Final = "artstore_search_fold(f.original_filename)"
_TEXT: Final = "artstore_search_text(f.original_filename, f.description, f.tags)"
_DOCUMENT: Final = "artstore_search_document(f.original_filename, f.description, f.tags, f.metadata)"
_EXTENSION: Final = "artstore_search_extension(f.original_filename)"
_SOUGHT: Final = "artstore_search_query(:web_query)"
WORDS_IN_NAME: Final = """(
    SELECT count(*) FROM unnest((
        SELECT tsvector_to_array(to_tsvector(
            'pg_catalog.russian', artstore_search_split(artstore_search_fold(:web_query))))
    )) AS stem(word) WHERE position(stem.word IN artstore_search_fold(original_filename)) > 0)"""
"""How many stems of the query the name has: cheap, and right enough for which hits are worth ranking."""
_HEADLINE: Final = f"HighlightAll=true, StartSel={START}, StopSel={STOP}"

_LIVES: Final = "(f.expires_at IS NULL OR f.expires_at > now())"
_STATUS: Final[Mapping[FileStatus | None, str]] = {
    None: f"f.status IN ('active', 'damaged') AND {_LIVES}",
    FileStatus.ACTIVE: f"f.status = 'active' AND {_LIVES}",
    FileStatus.DAMAGED: f"f.status = 'damaged' AND {_LIVES}",
    # From expires_at on a file is expired, whether or not anybody has written that down yet (G2).
    FileStatus.EXPIRED: f"(f.status = 'expired' OR f.status IN ('active', 'damaged') AND NOT {_LIVES})",
    FileStatus.DELETED: "f.status = 'deleted'",
}
_SIMPLE: Final[Mapping[str, str]] = {
    "file_extension": f"{_EXTENSION} = :file_extension",
    "tags": "f.tags @> :tags",
    "uploaded_by": "f.uploaded_by = :uploaded_by",
    "content_type": "f.content_type = :content_type",
    "retention_policy": "f.retention_policy = :retention_policy",
    "min_size": "f.size >= :min_size",
    "max_size": "f.size <= :max_size",
    "uploaded_after": "f.uploaded_at >= :uploaded_after",
    "uploaded_before": "f.uploaded_at < :uploaded_before",
    "metadata": "f.metadata @> :metadata",
}
SORT_KEY: Final[Mapping[SortBy, str]] = {
    SortBy.UPLOADED_AT: "f.uploaded_at",
    SortBy.ORIGINAL_FILENAME: _NAME,
    SortBy.SIZE: "f.size",
    # Weights of D, C, B, A; divided by the logarithm of the length, so that long descriptions do not win by length.
    SortBy.RELEVANCE: f"ts_rank('{{0.1, 0.3, 0.6, 1.0}}', {_DOCUMENT}, {_SOUGHT}, 1)",
}
_AFTER: Final[Mapping[SortBy, str]] = {
    SortBy.UPLOADED_AT: "after_moment",
    SortBy.ORIGINAL_FILENAME: "after_name",
    SortBy.SIZE: "after_size",
    SortBy.RELEVANCE: "after_score",
}
FACET_VALUES: Final[Mapping[Facet, str]] = {
    Facet.FILE_EXTENSION: f"(VALUES ({_EXTENSION}))",
    Facet.TAGS: "unnest(f.tags)",
    Facet.CONTENT_TYPE: "(VALUES (f.content_type))",
    Facet.UPLOADED_BY: "(VALUES (f.uploaded_by))",
    Facet.RETENTION_POLICY: "(VALUES (f.retention_policy))",
    Facet.STATUS: "(VALUES (f.status))",
}


@dataclass(slots=True)
class Composed:
    """Fragments of `search_page` and the values of their parameters."""

    conditions: str
    after: str
    values: dict[str, Any] = field(default_factory=dict)


def compose(request: SearchRequest, after: Position | None) -> Composed:
    values: dict[str, Any] = {}
    conditions = [_STATUS[request.status], *_filters(request, values), *_sought(request, values)]
    return Composed(" AND ".join(conditions), _after(request, after, values), values)


def _filters(request: SearchRequest, values: dict[str, Any]) -> Iterator[str]:
    for name, condition in _SIMPLE.items():
        value = getattr(request, name)
        if value is not None:
            values[name] = value
            yield condition
    if request.filename is not None:
        values["filename"] = request.filename
        if request.mode is Mode.EXACT:
            yield f"{_NAME} = artstore_search_fold(:filename)"
        else:
            yield f"{_NAME} LIKE artstore_search_pattern(:filename)"


def _sought(request: SearchRequest, values: dict[str, Any]) -> Iterator[str]:
    if request.query is None:
        return
    match request.mode:
        case Mode.EXACT:
            values["query"] = request.query
            yield f"({_NAME} = artstore_search_fold(:query) OR f.tags @> ARRAY[CAST(:query AS text)])"
        case Mode.PARTIAL:
            for number, part in enumerate(parts(request.query)):
                values[f"part_{number}"] = part
                yield f"{_TEXT} LIKE artstore_search_pattern(:part_{number})"
        case Mode.FULLTEXT:
            values["web_query"] = web_query(request.query)
            yield f"{_DOCUMENT} @@ {_SOUGHT}"


def _after(request: SearchRequest, after: Position | None, values: dict[str, Any]) -> str:
    if after is None:
        return "true"
    name = _AFTER[request.order]
    values[name], values["after_id"] = after.key, after.file_id
    # The rank is a four-byte number: compared as an eight-byte one it would not equal itself.
    key = f"CAST(:{name} AS real)" if request.order is SortBy.RELEVANCE else f":{name}"
    return f"(sort_key, file_id) {'<' if request.sort_order is SortOrder.DESC else '>'} ({key}, :after_id)"


def relevance(request: SearchRequest) -> str:
    return SORT_KEY[SortBy.RELEVANCE] if request.by_words else "NULL"


def marked(request: SearchRequest, column: str, table: str) -> str:
    """The column with marks around what was found. Letters keep their places, so marks carry over to the original."""
    if not request.by_words:
        return "NULL"
    text = f"artstore_search_split({table}.{column})"
    return f"ts_headline('pg_catalog.russian', {text}, {_SOUGHT}, '{_HEADLINE}')"

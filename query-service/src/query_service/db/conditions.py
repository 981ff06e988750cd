"""A search as SQL: one fragment for each thing that may be asked, every value a parameter."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from artstore_core.files import FileStatus

from query_service.search.cursor import Position
from query_service.search.request import Facet, SearchMode, SearchRequest, SortBy, SortOrder
from query_service.search.words import ANY_LETTER, START, STOP, beginning, indexable, mistyped, parts, wanted, web_query

_NAME: Final = "artstore_search_fold(f.original_filename)"
_TEXT: Final = "artstore_search_text(f.original_filename, f.description, f.tags)"
_WORDS: Final = "artstore_search_words(f.original_filename, f.description, f.tags, f.metadata)"
DAY: Final = "CAST(f.uploaded_at AT TIME ZONE 'UTC' AS date)"
"""In the same index as the words: of a common word, only what is of these days is read."""
_EXTENSION: Final = "artstore_search_extension(f.original_filename)"
_SOUGHT: Final = "artstore_search_terms(:web_query)"
_WANTED: Final = "artstore_search_terms(:wanted)"
_BEGINNING: Final = " && to_tsquery('public.artstore', quote_literal(artstore_search_plain(:beginning)) || ':*')"
"""Quoted, for a letter may be several when it is folded, and some of them syntax: `10½` is `10 1/2`."""
_LOWERED: Final = "replace(lower(original_filename), 'ё', 'е')"
"""A name as it is folded but for accents, at a third of the price."""
_STEMS_IN_NAME: Final = f"""(
    SELECT count(*) FROM unnest((
        SELECT tsvector_to_array(to_tsvector('pg_catalog.russian', artstore_search_plain(:wanted)))
    )) AS stem(word) WHERE position(stem.word IN {_LOWERED}) > 0)"""
_BEGINS: Final = r"(^|[\n -/:-@\[-`{-~])"
"""Before a word. Only of characters that are named one by one can an index of trigrams know that they are in no word."""
_WEIGHTS: Final = "'{0.05, 0.2, 0.4, 1.0}'"
"""Of D, C, B, A: metadata, description, tags, name."""
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
}
_AFTER: Final[Mapping[SortBy, str]] = {
    SortBy.UPLOADED_AT: "after_moment",
    SortBy.ORIGINAL_FILENAME: "after_name",
    SortBy.SIZE: "after_size",
    SortBy.RELEVANCE: "after_score",
}
FACET_VALUES: Final[Mapping[Facet, str]] = {
    # As artstore_search_extension has it, at a twentieth of the price: no regular expression.
    Facet.FILE_EXTENSION: (
        "(VALUES (CASE WHEN strpos(f.original_filename, '.') > 0"
        " THEN nullif(lower(split_part(f.original_filename, '.', -1)), '') END))"
    ),
    Facet.TAGS: "unnest(f.tags)",
    Facet.CONTENT_TYPE: "(VALUES (f.content_type))",
    Facet.UPLOADED_BY: "(VALUES (f.uploaded_by))",
    Facet.RETENTION_POLICY: "(VALUES (f.retention_policy))",
    # As the files themselves say it, whether or not anybody has written it down yet.
    Facet.STATUS: (
        "(VALUES (CASE WHEN f.status IN ('active', 'damaged') AND f.expires_at <= now() THEN 'expired' ELSE f.status END))"
    ),
    Facet.YEAR: "(VALUES (CAST(extract(year FROM f.uploaded_at AT TIME ZONE 'UTC') AS text)))",
}


@dataclass(slots=True)
class Composed:
    """Fragments of `search_page` and `search_ranked`, and the values of their parameters."""

    conditions: str
    after: str
    values: dict[str, Any] = field(default_factory=dict)
    sought: str | None = None
    """What to highlight."""
    relevance: str = "NULL"
    taken_apart: str = ""
    """Joins what relevance needs more than once and is dear."""
    nearness: str = "0"
    """A cheap guess at relevance, from the name alone."""
    rechecked: bool = False
    """The index knows candidates only: each has to be taken apart to see whether it is a hit."""

    @property
    def of_all(self) -> dict[str, Any]:
        """`values` without the cursor's: count and facets are of the whole list, not of what is left of it."""
        return {name: value for name, value in self.values.items() if not name.startswith("after_")}


def compose(request: SearchRequest, after: Position | None, *, loosely: bool = False) -> Composed:
    """`loosely`: only where `SearchRequest.can_be_loosened` says so."""
    composed = Composed("", "")
    values = composed.values
    conditions = [_STATUS[request.status], *_filters(request, values), *_sought(request, composed, loosely)]
    composed.conditions = " AND ".join(conditions)
    composed.after = _after(request, after, values)
    return composed


def _filters(request: SearchRequest, values: dict[str, Any]) -> Iterator[str]:
    for name, condition in _SIMPLE.items():
        value = getattr(request, name)
        if value is not None:
            values[name] = value
            yield condition
    if request.filename is not None:
        values["filename"] = request.filename
        if request.mode is SearchMode.EXACT:
            yield f"{_NAME} = artstore_search_fold(:filename)"
        else:
            yield _has_part(_NAME, "filename", indexed=indexable(request.filename))


def _has_part(text: str, name: str, *, indexed: bool) -> str:
    """A part of one or two letters is in no trigram, but the beginning of a word is."""
    if indexed:
        return f"{text} LIKE artstore_search_pattern(:{name})"
    literal = rf"regexp_replace(artstore_search_fold(:{name}), '(\W)', '\\\1', 'g')"
    return f"{text} ~ ('{_BEGINS}' || {literal})"


def _sought(request: SearchRequest, composed: Composed, loosely: bool) -> Iterator[str]:
    if request.query is None:
        return
    values = composed.values
    match request.mode:
        case SearchMode.EXACT:
            values["query"] = request.query
            yield f"({_NAME} = artstore_search_fold(:query) OR f.tags @> ARRAY[CAST(:query AS text)])"
        case SearchMode.PARTIAL:
            yield from _parts(request.query, composed, loosely)
        case SearchMode.FULLTEXT:
            found = _terms(request.query, composed, loosely)
            composed.rechecked = '"' in request.query
            composed.nearness = _STEMS_IN_NAME
            yield f"{_WORDS} @@ {found}"
            # What is left of a query may be only what not to find (`€ -draft`): no index helps, and all files would be read.
            yield f"querytree({found}) NOT IN ('', 'T')"


def _terms(query: str, composed: Composed, loosely: bool) -> str:
    """What to find. To rank and to mark, what is not to be found is left out: ts_rank makes nothing of it."""
    values = composed.values
    split = beginning(query) if loosely else None
    typed = ""
    if split is None:
        values["web_query"], values["wanted"] = web_query(query), wanted(query)
    else:
        values["web_query"], values["beginning"] = split
        values["wanted"], typed = wanted(split[0]), _BEGINNING
    composed.sought = f"({_WANTED}{typed})"
    composed.taken_apart = f"CROSS JOIN LATERAL (SELECT {_WORDS} AS words OFFSET 0) AS apart"
    # Divided by the logarithm of the length, so that long descriptions do not win by it. More for words that stand side
    # by side as they were asked for, and for a name that has them letter by letter.
    composed.relevance = f"""CAST(
        ts_rank({_WEIGHTS}, apart.words, {composed.sought}, 1)
        + 0.2 * ts_rank({_WEIGHTS}, apart.words, phraseto_tsquery('pg_catalog.russian', artstore_search_plain(:wanted)), 1)
        + 0.1 * word_similarity(artstore_search_plain(:wanted), artstore_search_plain(f.original_filename)) AS real)"""
    return f"({_SOUGHT}{typed})"


def _parts(query: str, composed: Composed, loosely: bool) -> Iterator[str]:
    """In the name above in the rest, a whole word above a part of one."""
    values, given = composed.values, parts(query)
    any_indexable = any(indexable(part) for part in given)
    near, guess = [], []
    for number, part in enumerate(given):
        name = f"part_{number}"
        values[name] = part
        folded = f"artstore_search_fold(:{name})"
        near.append(f"greatest(word_similarity({folded}, {_NAME}), 0.4 * word_similarity({folded}, {_TEXT}))")
        guess.append(f"CAST(position({folded} IN {_LOWERED}) > 0 AS int)")
        if loosely:
            yield _like(part, name, folded, values)
        else:
            yield _has_part(_TEXT, name, indexed=any_indexable)
    values["query"] = query
    alike = f"similarity(artstore_search_fold(:query), {_NAME})"
    composed.relevance = f"CAST(({' + '.join(near)}) / {len(near)} * 0.9 + {alike} * 0.1 AS real)"
    composed.nearness = "file_id" if loosely else " + ".join(guess)


def _like(part: str, name: str, folded: str, values: dict[str, Any]) -> str:
    """Most trigrams are the same; or one letter is another, or two changed places, which leaves few of them the same."""
    ways = [f"{_NAME} %> {folded}"]
    for number, other in enumerate(mistyped(part)):
        values[f"{name}_{number}"] = other
        ways.append(f"{_NAME} LIKE replace(artstore_search_pattern(:{name}_{number}), chr({ord(ANY_LETTER)}), '_')")
    return f"({' OR '.join(ways)})"


def _after(request: SearchRequest, after: Position | None, values: dict[str, Any]) -> str:
    if after is None:
        return "true"
    name = _AFTER[request.order]
    values[name], values["after_id"] = after.key, after.file_id
    # The rank is a four-byte number: compared as an eight-byte one it would not equal itself.
    key = f"CAST(:{name} AS real)" if request.order is SortBy.RELEVANCE else f":{name}"
    return f"(sort_key, file_id) {'<' if request.sort_order is SortOrder.DESC else '>'} ({key}, :after_id)"


def marked(composed: Composed, column: str, table: str) -> str:
    """The column with marks around what was found. Letters keep their places, so marks carry over to the original."""
    if composed.sought is None:
        return "NULL"
    return f"artstore_search_marked({table}.{column}, {composed.sought}, '{_HEADLINE}')"

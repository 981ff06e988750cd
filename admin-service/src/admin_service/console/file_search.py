"""A search for files as a page's address says it, and as the API is asked for it."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any, Final

from artstore_core.errors import ValidationFailed
from starlette.datastructures import QueryParams

PAGE: Final = 50
MAX_OFFSET: Final = 100_000
"""How far the search lets anybody turn pages."""
FACETS: Final = ("file_extension", "tags", "uploaded_by", "status")
MODES: Final = ("fulltext", "partial", "exact")
"""The first is meant where an address names none."""
SORTS: Final = ("-uploaded_at", "uploaded_at", "original_filename", "-original_filename", "-size", "size", "relevance")

_AS_GIVEN: Final = ("query", "mode", "file_extension", "content_type", "uploaded_by", "status", "retention_policy")
_READ: Final = ("min_size", "max_size", "uploaded_after", "uploaded_before", "metadata", "sort")
NAMES: Final = (*_AS_GIVEN, *_READ)
ELEMENT: Final = "storage_element_id"
OF_ELEMENT: Final = (ELEMENT, "status", "uploaded_by")
"""What the registry's own list can be narrowed by."""
_LONGEST: Final = 1000
_MOST_TAGS: Final = 100
_SIZE: Final = re.compile(r"(\d{1,15}(?:[.,]\d{1,6})?)\s*([kmgtкмгт]?)(?:i?b|и?б)?", re.IGNORECASE)
_POWERS: Final = {"": 0, "k": 1, "к": 1, "m": 2, "м": 2, "g": 3, "г": 3, "t": 4, "т": 4}


@dataclass(frozen=True, slots=True)
class Wanted:
    """`given`: the filters that say something, by name, as they were typed."""

    given: Mapping[str, str]
    tags: tuple[str, ...] = ()
    offset: int = 0

    @classmethod
    def of(cls, params: QueryParams) -> Wanted:
        """Of what an address says; what it says too much is left out."""
        texts = {name: params.get(name, "").strip()[:_LONGEST] for name in (*NAMES, ELEMENT)}
        tags = dict.fromkeys(tag.strip()[:_LONGEST] for tag in params.getlist("tags")[:_MOST_TAGS])
        offset = params.get("offset", "0")
        return cls(
            {name: text for name, text in texts.items() if text and (name, text) != ("mode", MODES[0])},
            tuple(tag for tag in tags if tag),
            min(int(offset), 2**31 - 1) if offset.isascii() and offset.isdigit() and len(offset) < 11 else 0,
        )

    @property
    def element(self) -> str | None:
        """The files of one storage element are the registry's to list, not the search's."""
        return self.given.get(ELEMENT)

    @property
    def params(self) -> dict[str, Any]:
        """For an address of the same search, from its first page on."""
        names = OF_ELEMENT if self.element else NAMES
        given: dict[str, Any] = {name: self.given[name] for name in names if name in self.given}
        return given | ({"tags": list(self.tags)} if self.tags and not self.element else {})

    def with_(self, name: str, value: str) -> dict[str, Any]:
        """The same, narrowed by one more."""
        if name == "tags":
            return self.params | {"tags": list(dict.fromkeys([*self.tags, value]))}
        return self.params | {name: value}

    def without(self, name: str, value: str | None = None) -> dict[str, Any]:
        """The same without this filter; of the tags, without this one."""
        if name == "tags":
            return self.params | {"tags": [tag for tag in self.tags if tag != value]}
        return {key: one for key, one in self.params.items() if key != name}

    @property
    def beyond(self) -> bool:
        """Whether the next page is one that the search does not turn to."""
        return not self.element and self.offset + PAGE > MAX_OFFSET

    def body(self) -> dict[str, Any]:
        """Of `POST /api/v1/search`. Raises ValidationFailed, naming the field; the API has its own word on the rest."""
        body: dict[str, Any] = {name: self.given[name] for name in _AS_GIVEN if name in self.given}
        body |= {name: _bytes(name, self.given[name]) for name in ("min_size", "max_size") if name in self.given}
        if "uploaded_after" in self.given:
            body["uploaded_after"] = _day("uploaded_after", self.given["uploaded_after"], 0)
        if "uploaded_before" in self.given:
            body["uploaded_before"] = _day("uploaded_before", self.given["uploaded_before"], 1)
        if "metadata" in self.given:
            body["metadata"] = _object(self.given["metadata"])
        if self.tags:
            body["tags"] = list(self.tags)
        offset = min(self.offset, MAX_OFFSET)
        return body | self._order() | {"facets": list(FACETS), "limit": PAGE, "offset": offset}

    def _order(self) -> dict[str, str]:
        sort = self.given.get("sort", "")
        # There is nothing to rank by without words: left over from a search that had some.
        if not sort or (sort == "relevance" and not self.rankable):
            return {}
        descends = sort.startswith("-") or sort == "relevance"
        return {"sort_by": sort.removeprefix("-"), "sort_order": "desc" if descends else "asc"}

    @property
    def rankable(self) -> bool:
        return "query" in self.given and self.given.get("mode") != "exact"


def _refused(name: str, reason: str) -> ValidationFailed:
    return ValidationFailed("The search is not valid", details={name: reason})


def _bytes(name: str, text: str) -> int:
    found = _SIZE.fullmatch(text)
    if found is None:
        raise _refused(name, "must be a size, such as 10 MiB")
    count: float = float(found[1].replace(",", ".")) * 1024 ** _POWERS[found[2].lower()]
    return int(count)


def _day(name: str, text: str, days: int) -> str:
    """The first instant of a day in UTC, or of one that many days later."""
    try:
        day = datetime.strptime(text, "%Y-%m-%d").replace(tzinfo=UTC) + timedelta(days=days)
    except (ValueError, OverflowError):
        raise _refused(name, "must be a day, such as 2026-11-30") from None
    return day.isoformat()


def _object(text: str) -> dict[str, Any]:
    """`name=value`, or a JSON object for what is not text."""
    name, equals, value = text.partition("=")
    if not text.startswith("{") and equals and name.strip():
        return {name.strip(): value.strip()}
    try:
        found = json.loads(text)
    except (ValueError, RecursionError):
        found = None
    if not isinstance(found, dict):
        raise _refused("metadata", "must be name=value, or a JSON object")
    return found

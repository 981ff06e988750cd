"""The audit log as a file, however long: read and sent page by page."""

from __future__ import annotations

import csv
import io
import json
import re
from collections.abc import AsyncIterator, Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any, Final, Protocol

COLUMNS: Final = (
    "id", "happened_at", "service", "actor", "action", "outcome", "target", "address", "request_id", "details",
)  # fmt: skip
PAGE: Final = 1000
BYTE_ORDER_MARK: Final = "\ufeff"
"""Without it a spreadsheet takes Cyrillic for something else."""
_FORMULA: Final = re.compile(r"(^|[;\t\r\n])(\s*)([=+\-@\uff1d\uff0b\uff0d\uff20])")
_BARE: Final = re.compile(r"^[\t\r\n]")

Entry = Mapping[str, Any]


class Asked(Protocol):
    async def get(self, path: str, **params: Any) -> Any: ...


class Walk:
    """Every entry that the filters find, newest first, as the log stood at the first page.

    A page begins at the moment where the one before ended and leaves out what that one had of it: a walk by offset would
    make the database count ever further.
    """

    def __init__(self, api: Asked, path: str, filters: Mapping[str, Any]) -> None:
        self._api, self._path = api, path
        self._params: dict[str, Any] = dict(filters)
        self._moment, self._seen = "", 0

    async def page(self) -> Sequence[Entry]:
        """The next ones; none at the end. Raises what the API answers with."""
        answer = await self._api.get(self._path, **self._params, offset=self._seen, limit=PAGE)
        entries: Sequence[Entry] = answer["items"]
        self._params["newest_id"] = answer["newest_id"]
        if entries:
            self._remember(entries)
        return entries

    def _remember(self, entries: Sequence[Entry]) -> None:
        last = entries[-1]["happened_at"]
        of_it = sum(1 for entry in entries if entry["happened_at"] == last)
        self._seen = self._seen + of_it if last == self._moment else of_it
        self._moment = last
        after = datetime.fromisoformat(last) + timedelta(microseconds=1)
        self._params["until"] = after.isoformat()


async def rest(walk: Walk, first: Sequence[Entry]) -> AsyncIterator[Sequence[Entry]]:
    """All pages, the first of which is there already: had it been refused, no file would have begun."""
    page = first
    while page:
        yield page
        page = await walk.page() if len(page) == PAGE else ()


async def as_csv(pages: AsyncIterator[Sequence[Entry]]) -> AsyncIterator[str]:
    """RFC 4180, with a head."""
    yield BYTE_ORDER_MARK + _lines([COLUMNS])
    async for page in pages:
        yield _lines([[_cell(entry.get(name)) for name in COLUMNS] for entry in page])


async def as_json(pages: AsyncIterator[Sequence[Entry]]) -> AsyncIterator[str]:
    """One array, an entry a line: cut off it is no JSON, and nobody takes it for the whole."""
    before = "["
    async for page in pages:
        for entry in page:
            yield f"{before}\n{json.dumps(entry, ensure_ascii=False)}"
            before = ","
    yield "\n]\n" if before == "," else "[]\n"


def safe(text: str) -> str:
    """A spreadsheet calculates what begins like a formula, wherever it takes a cell to begin: now it is text (OWASP, CSV
    injection)."""
    text = _FORMULA.sub(r"\1\2'\3", text)
    return "'" + text if _BARE.match(text) else text


def _cell(value: Any) -> str | int:
    if value is None:
        return ""
    if isinstance(value, int):
        return value
    return safe(value if isinstance(value, str) else json.dumps(value, ensure_ascii=False) if value else "")


def _lines(rows: Sequence[Sequence[str | int]]) -> str:
    out = io.StringIO()
    csv.writer(out, quoting=csv.QUOTE_ALL).writerows(rows)
    return out.getvalue()

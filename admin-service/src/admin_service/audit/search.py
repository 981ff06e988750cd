"""Finding what happened: entries of the audit log, newest first."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol

from artstore_audit import Outcome

from admin_service.audit.log import Entry

COUNTED = 10_000
"""How many hits beyond the page are counted: counting a log of years takes longer than anybody waits."""


@dataclass(frozen=True, slots=True)
class Search:
    """None: any. `action` is a prefix; the others are compared whole. Times: `since` ≤ it < `until`.

    `newest_id` leaves out what was added after the entry of that number, so that pages stay where they are while the log
    grows.
    """

    actor: str | None = None
    action: str | None = None
    target: str | None = None
    outcome: Outcome | None = None
    service: str | None = None
    request_id: str | None = None
    since: datetime | None = None
    until: datetime | None = None
    newest_id: int | None = None


@dataclass(frozen=True, slots=True)
class Kept:
    """An entry with its number in the log. Numbers go up as entries arrive, which is not always as they happened."""

    id: int
    entry: Entry


@dataclass(frozen=True, slots=True)
class Found:
    """`total` is a lower bound where it is not `exact`."""

    entries: Sequence[Kept]
    total: int
    exact: bool
    newest_id: int


class AuditSearchRows(Protocol):
    async def search(self, search: Search, *, limit: int, offset: int) -> Found: ...

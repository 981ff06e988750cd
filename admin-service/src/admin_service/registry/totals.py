"""How many files the registry has, and how many bytes: now, on each element, and by the day of their upload."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Sequence
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from itertools import groupby
from typing import Final, Protocol

from artstore_core.files import FileStatus

from admin_service.identity.clock import Clock
from admin_service.identity.quota import Usage

DAYS: Final = 90
KEPT_SECONDS: Final = 10.0
SHARE: Final = 100
"""Counting reads every row: at most this part of the time is spent on it, however often it is asked for."""


@dataclass(frozen=True, slots=True)
class Counted:
    """Files of one element in one status that were uploaded on one day (UTC); `day` None: before the first one asked for."""

    storage_id: str
    status: FileStatus
    day: date | None
    files: int
    bytes: int


class TotalRows(Protocol):
    async def now(self) -> Usage:
        """What all accounts together hold. Cheap: nothing is counted for it."""
        ...

    async def count(self, since: datetime) -> Sequence[Counted]:
        """Everything that is active or damaged. Reads the whole registry."""
        ...


class Rows(Protocol):
    @property
    def totals(self) -> TotalRows: ...


@dataclass(frozen=True, slots=True)
class OfElement:
    storage_id: str
    files: int
    bytes: int
    damaged: int


@dataclass(frozen=True, slots=True)
class OfDay:
    """What there is now of all that was uploaded by the end of that day (UTC)."""

    day: date
    files: int
    bytes: int


@dataclass(frozen=True, slots=True)
class Totals:
    counted_at: datetime
    elements: Sequence[OfElement]
    days: Sequence[OfDay]


class Totalling:
    """Counts when it is asked to, once for all who ask. The answer before is given while the next one is made."""

    def __init__(
        self,
        transactions: Callable[[], AbstractAsyncContextManager[Rows]],
        clock: Clock,
        *,
        timer: Callable[[], float] = time.monotonic,
    ) -> None:
        self._transactions, self._clock, self._timer = transactions, clock, timer
        self._counting: asyncio.Task[None] | None = None
        self._totals: Totals | None = None
        self._good_until = 0.0

    async def now(self) -> Usage:
        async with self._transactions() as rows:
            return await rows.totals.now()

    async def counted(self) -> Totals:
        """Raises AdminUnavailable when nothing was ever counted and it cannot be now."""
        due = self._totals is None or self._timer() >= self._good_until
        if due and (self._counting is None or self._counting.done()):
            self._good_until = self._timer() + KEPT_SECONDS
            self._counting = asyncio.create_task(self._count())
            # Nobody may be waiting for it; the next one that asks begins another.
            self._counting.add_done_callback(lambda task: task.cancelled() or task.exception())
        if self._totals is None and self._counting is not None:
            # Whoever waits may give up; the others still want it.
            await asyncio.shield(self._counting)
        assert self._totals is not None
        return self._totals

    async def close(self) -> None:
        if self._counting is not None:
            self._counting.cancel()
            await asyncio.gather(self._counting, return_exceptions=True)

    async def _count(self) -> None:
        began, now = self._timer(), self._clock()
        today = now.astimezone(UTC).date()
        first = today - timedelta(days=DAYS - 1)
        async with self._transactions() as rows:
            found = await rows.totals.count(datetime(first.year, first.month, first.day, tzinfo=UTC))
        self._totals = Totals(now, _by_element(found), _by_day(found, first, today))
        ended = self._timer()
        self._good_until = ended + max(KEPT_SECONDS, SHARE * (ended - began))


def _by_element(found: Sequence[Counted]) -> list[OfElement]:
    ordered = sorted(found, key=lambda one: one.storage_id)
    groups = [(storage_id, list(group)) for storage_id, group in groupby(ordered, key=lambda one: one.storage_id)]
    return [
        OfElement(
            storage_id,
            files=sum(one.files for one in group),
            bytes=sum(one.bytes for one in group),
            damaged=sum(one.files for one in group if one.status is FileStatus.DAMAGED),
        )
        for storage_id, group in groups
    ]


def _by_day(found: Sequence[Counted], first: date, today: date) -> list[OfDay]:
    files, size, days = 0, 0, []
    before = first - timedelta(days=1)
    # A clock that went ahead may have dated an upload in the future: it is there today.
    ordered = sorted(((min(one.day or before, today), one.files, one.bytes) for one in found), reverse=True)
    for number in range((today - first).days + 1):
        day = first + timedelta(days=number)
        while ordered and ordered[-1][0] <= day:
            _, more_files, more_bytes = ordered.pop()
            files, size = files + more_files, size + more_bytes
        days.append(OfDay(day, files, size))
    return days

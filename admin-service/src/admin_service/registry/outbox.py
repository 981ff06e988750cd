"""What the registry's events and counts need from time to time (architecture.md, Events)."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import AbstractAsyncContextManager
from datetime import datetime, timedelta
from typing import Protocol

from artstore_core.errors import AdminUnavailable
from artstore_kit.logs import get_logger
from prometheus_client import CollectorRegistry, Counter

from admin_service.identity.clock import Clock

_log = get_logger(__name__)

BATCH = 5000
FOLD_SECONDS = 5.0
TRIM_SECONDS = 300.0


class OutboxRows(Protocol):
    """The outbox and the counts of usage, within one transaction. All give the number of rows they took."""

    async def trim(self, before: datetime, at_most: int) -> int:
        """Removes events from the beginning that happened before, and keeps the mark of how far that went.

        A reader that stands before the mark hears that it has lost some.
        """
        ...

    async def remove_foreign(self, at_most: int) -> int:
        """Removes events that carry the transaction ids of another cluster.

        A dump that is restored brings them, and ids ahead of this cluster's: readers would pass over them today, and
        years later, when this cluster's ids have grown so far, take them for new. A mark of that kind would call every
        reader lost for as long. The readers themselves notice by the database's own identity that it is another one.
        """
        ...

    async def fold_usage(self, at_most: int) -> int:
        """Adds changes of usage to the totals."""
        ...

    async def remove_expired_reservations(self, now: datetime, at_most: int) -> int:
        """Removes reservations of quota that nobody settled, gave back or renewed."""
        ...

    async def remove_expired_keys(self, now: datetime, at_most: int) -> int:
        """Removes idempotency keys whose time is over."""
        ...


RowsOfOne = Callable[[], AbstractAsyncContextManager[OutboxRows]]


class Upkeep:
    """Runs beside the service, in small transactions, on every replica: each step lets only one at it, or does no harm
    twice."""

    def __init__(self, rows: RowsOfOne, clock: Clock, *, keep_days: int, registry: CollectorRegistry) -> None:
        self._rows, self._clock, self._keep = rows, clock, timedelta(days=keep_days)
        self._trimmed = Counter("artstore_outbox_trimmed_total", "Events thrown away for their age", registry=registry)

    async def run(self) -> None:
        """Until cancelled."""
        await asyncio.gather(self._every(TRIM_SECONDS, self.trim), self._every(FOLD_SECONDS, self.fold))

    async def trim(self) -> None:
        await self._all(lambda rows: rows.remove_foreign(BATCH))
        before = self._clock() - self._keep
        self._trimmed.inc(await self._all(lambda rows: rows.trim(before, BATCH)))
        await self._all(lambda rows: rows.remove_expired_reservations(self._clock(), BATCH))
        await self._all(lambda rows: rows.remove_expired_keys(self._clock(), BATCH))

    async def fold(self) -> None:
        await self._all(lambda rows: rows.fold_usage(BATCH))

    async def _all(self, step: Callable[[OutboxRows], Awaitable[int]]) -> int:
        """In batches, until one is not full."""
        total = 0
        while True:
            async with self._rows() as rows:
                done = await step(rows)
            total += done
            if done < BATCH:
                return total

    async def _every(self, seconds: float, work: Callable[[], Awaitable[None]]) -> None:
        while True:
            try:
                await work()
            except AdminUnavailable:
                _log.warning("upkeep has to wait: the database is away", work=work.__name__)
            except Exception:  # noqa: BLE001  said in the log, and tried again
                _log.exception("upkeep failed", work=work.__name__)
            await asyncio.sleep(seconds)

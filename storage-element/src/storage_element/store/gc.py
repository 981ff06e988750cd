"""Garbage collection: files that are deleted, or whose time is over, give their room back (requirement S6).

Only in the modes edit and rw. Temporary files live on edit elements, and nothing can be deleted elsewhere, so the other
modes have nothing to collect; and an element that was made ro or ar is to stay as it is, whatever the clock says.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Any, Final, Protocol
from uuid import UUID

from artstore_core.errors import ArtStoreError
from artstore_core.files import Attributes
from artstore_core.modes import Mode

from storage_element.store import decisions
from storage_element.store.changes import Change, Logged, Settled
from storage_element.store.clock import ClockGuard
from storage_element.store.element import Element
from storage_element.store.ports import NotGivenOut

_BATCH: Final = 256
_AT_ONCE: Final = 64
"""Changes that wait for the log together, beside those that clients wait for."""
MODES: Final = frozenset({Mode.EDIT, Mode.RW})


class Counts(Protocol):
    """Measures what is done."""

    def purged(self, files: int) -> None: ...

    def refused(self) -> None:
        """The clock was not believed."""
        ...


class GarbageCollection:
    """Safe beside uploads and downloads: each file is decided on once more when its turn comes, and who reads one has
    it open. `seconds` lie between two runs; the feed forgets purged files after `tombstone_seconds`."""

    def __init__(
        self,
        element: Element,
        guard: ClockGuard,
        seconds: float,
        tombstone_seconds: float,
        counts: Counts,
        tell: Callable[..., Any],
    ) -> None:
        self._element, self._guard = element, guard
        self._seconds, self._kept = seconds, timedelta(seconds=tombstone_seconds)
        self._counts, self._tell = counts, tell

    async def run(self) -> None:
        """For ever, the first time after one interval: whoever starts an element can look at it before."""
        while True:
            await asyncio.sleep(self._seconds)
            await self._element.opened.wait()
            try:
                await self.once()
            except ArtStoreError as error:
                self._tell("no garbage collection", why=error.message)

    async def once(self) -> int:
        """How many files are gone for good. Raises StorageUnavailable, StorageFull; the rest goes the next time."""
        await self._element.probe()
        if self._element.mode not in MODES:
            return 0
        now = await self._guard.time()
        if now is None:
            self._counts.refused()
            self._tell("no garbage collection", why="the clock jumped")
            return 0
        purged = 0
        while batch := await self._purge_some(now):
            purged += batch
        await self._element.read_index(lambda index: index.trim(now - self._kept), long=True)
        if purged:
            self._tell("garbage collected", files=purged)
        return purged

    async def _purge_some(self, now: datetime) -> int:
        ids = await self._element.read_index(lambda index: index.to_purge(now, _BATCH))
        turns = asyncio.Semaphore(_AT_ONCE)

        async def purge(file_id: UUID) -> bool:
            async with turns:
                return await self._purge(file_id, now)

        outcomes = await asyncio.gather(*(purge(file_id) for file_id in ids), return_exceptions=True)
        purged = outcomes.count(True)
        self._counts.purged(purged)
        for outcome in outcomes:
            # A file that the disk does not give out is for reconcile; all others give their room back.
            if isinstance(outcome, BaseException) and not isinstance(outcome, NotGivenOut):
                raise outcome
        return purged

    async def _purge(self, file_id: UUID, now: datetime) -> bool:
        def decide(there: Attributes | None) -> Change | Settled:
            if self._element.mode not in MODES:
                return Settled(None)
            return decisions.purge(there, now)

        return isinstance(await self._element.submit(file_id, decide), Logged)

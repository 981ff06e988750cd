"""Uploads that nobody finishes: removed in time, so that their bytes and their reserved room are not lost for ever."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from contextlib import suppress
from datetime import timedelta
from typing import Final
from uuid import UUID

from artstore_core.errors import ArtStoreError

from storage_element.store.clock import ClockGuard
from storage_element.store.element import Element
from storage_element.store.ports import Clock
from storage_element.store.uploads import Uploads

_MOST_SECONDS_BETWEEN: Final = 600.0


class StagingSweep:
    """Removes uploads that received nothing for `seconds`; `report` is told of each, with the bytes that it had. While
    the clock cannot be believed, none is."""

    def __init__(
        self,
        element: Element,
        uploads: Uploads,
        now: Clock,
        guard: ClockGuard,
        seconds: float,
        report: Callable[[UUID, int], None],
    ) -> None:
        self._element, self._uploads, self._now, self._report = element, uploads, now, report
        self._guard = guard
        self._limit = timedelta(seconds=seconds)
        self._pause = min(seconds / 10, _MOST_SECONDS_BETWEEN)

    async def run(self) -> None:
        """For ever: as soon as the element is open, and then every so often."""
        while True:
            await self._element.opened.wait()
            await self.once()
            await asyncio.sleep(self._pause)

    async def once(self) -> None:
        """Sweeps now, or not at all while the disk is away."""
        with suppress(ArtStoreError):  # readiness tells why, and the next sweep does what this one did not
            await self._uploads.remove_idle(self._now() - self._limit, self._report, self._trusted)

    async def _trusted(self) -> bool:
        return await self._guard.time() is not None

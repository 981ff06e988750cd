"""Uploads that nobody finishes: removed in time, so that their bytes and their reserved room are not lost for ever.

The parts of one upload last as long as each other: a part that came whole on the first day is needed on the third, when
the slowest one is there.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from contextlib import suppress
from datetime import datetime, timedelta
from typing import Final
from uuid import UUID

from artstore_core.errors import ArtStoreError, NotFound

from storage_element.store.clock import ClockGuard
from storage_element.store.element import Element
from storage_element.store.ports import Clock, Disk
from storage_element.store.upload import Upload
from storage_element.store.uploads import Uploads
from storage_element.store.workers import Workers

_MOST_SECONDS_BETWEEN: Final = 600.0


class StagingSweep:
    """Removes uploads that received nothing for `seconds`; `report` is told of each, with the bytes that it had. One that
    a request is working on stays, and while the clock cannot be believed, all do."""

    def __init__(
        self,
        element: Element,
        disk: Disk,
        workers: Workers,
        uploads: Uploads,
        now: Clock,
        guard: ClockGuard,
        seconds: float,
        report: Callable[[UUID, int], None],
    ) -> None:
        self._element, self._disk, self._workers, self._uploads = element, disk, workers, uploads
        self._now, self._guard, self._report = now, guard, report
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
            await self._element.probe()
            since = self._now() - self._limit
            for family in self._uploads.families():
                # Looked at before it is locked: beside one that goes on nobody is told that somebody else is at work.
                if await self._is_idle(family, since):
                    if await self._guard.time() is None:
                        return
                    await self._remove(family, since)

    async def _remove(self, family: Mapping[UUID, Upload], since: datetime) -> None:
        """Each is looked at again with the others, but for those that are removed by then."""
        left = dict(family)
        for upload_id in family:
            others = {other: upload for other, upload in left.items() if other != upload_id}

            async def still(upload_id: UUID = upload_id, others: Mapping[UUID, Upload] = others) -> bool:
                return await self._received_nothing(upload_id, family[upload_id], since) and await self._is_idle(
                    others, since
                )

            size = await self._uploads.remove_if(upload_id, still)
            if size is None:
                return
            del left[upload_id]
            self._report(upload_id, size)

    async def _is_idle(self, family: Mapping[UUID, Upload], since: datetime) -> bool:
        for upload_id, upload in family.items():
            if upload.busy or not await self._received_nothing(upload_id, upload, since):
                return False
        return True

    async def _received_nothing(self, upload_id: UUID, upload: Upload, since: datetime) -> bool:
        try:
            return await self._workers.look(self._disk.last_received, upload_id) < since
        except NotFound:
            return upload.agreement.created_at < since

"""Opening files for downloads: marker, record and bytes in one visit to a worker thread.

A visit costs more than what is done there. So whoever comes while others are being opened waits for the next visit,
which opens for all of them and looks for the marker once: it begins after the last of them had asked.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Sequence
from typing import Final
from uuid import UUID

from artstore_core.errors import FileDamaged
from artstore_core.files import Attributes

from storage_element.store import decisions
from storage_element.store.keeper import Keeper
from storage_element.store.ports import Clock, Disk, Reader
from storage_element.store.workers import Workers, settled

VISITS: Final = 4
"""At once: a disk that has to look for its data has this many places to look at."""
AT_ONCE: Final = 16
"""So many files are opened in one visit."""

Opened = tuple[Attributes, Reader]
_Waiting = tuple[UUID, asyncio.Future[Opened]]


class Openings:
    """Used on the event loop."""

    def __init__(self, disk: Disk, keeper: Keeper, workers: Workers, now: Clock) -> None:
        self._disk, self._keeper, self._workers, self._now = disk, keeper, workers, now
        self._waiting: deque[_Waiting] = deque()
        self._visits = 0

    async def open(self, file_id: UUID) -> Opened:
        """Raises NotFound, FileDamaged, StorageUnavailable. Close the reader in a worker thread, unless it is at hand."""
        future: asyncio.Future[Opened] = asyncio.get_running_loop().create_future()
        self._waiting.append((file_id, future))
        if self._visits < VISITS:
            self._begin()
        try:
            return await settled(future)
        except asyncio.CancelledError:
            if future.done() and not future.exception():
                await self._workers.run(future.result()[1].close)
            raise

    def _begin(self) -> None:
        batch = [self._waiting.popleft() for _ in range(min(AT_ONCE, len(self._waiting)))]
        self._visits += 1
        visit = self._workers.start(self._visit, [file_id for file_id, _ in batch])
        visit.add_done_callback(lambda done: self._end(batch, done))

    def _end(self, batch: Sequence[_Waiting], visit: asyncio.Future[list[Opened | Exception]]) -> None:
        self._visits -= 1
        if self._waiting:
            self._begin()
        error = visit.exception()
        found_all = [error] * len(batch) if error is not None else visit.result()
        for (_, future), found in zip(batch, found_all, strict=True):
            if isinstance(found, BaseException):
                future.set_exception(found)
            else:
                future.set_result(found)

    def _visit(self, file_ids: Sequence[UUID]) -> list[Opened | Exception]:
        try:
            self._disk.check()
        except Exception as error:  # noqa: BLE001  # all of them hear of it
            return [error] * len(file_ids)
        return [self._try(file_id) for file_id in file_ids]

    def _try(self, file_id: UUID) -> Opened | Exception:
        try:
            return self._open(file_id)
        except Exception as error:  # noqa: BLE001  # it concerns this file alone
            return error

    def _open(self, file_id: UUID) -> Opened:
        record = self._readable(file_id)
        try:
            return record, self._keeper.open(record)
        except FileDamaged:
            self._readable(file_id)  # one that was removed since then is not damaged, it is not there
            raise

    def _readable(self, file_id: UUID) -> Attributes:
        return decisions.readable(self._keeper.last_known(file_id), self._now())

"""Checkpoints: what was applied is flushed, and the log that promised it may go (requirement S4).

They bound the log's size and the time that a start takes, and after one the directory alone is the whole element.
"""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable
from contextlib import suppress
from typing import Final

from artstore_core.errors import ArtStoreError, StorageFull

from storage_element.store.commits import Commits
from storage_element.store.observing import NOBODY, Observer
from storage_element.store.ports import Disk
from storage_element.store.workers import Workers

MOST_LOG_TIMES: Final = 4
"""Past so many times the size at which a checkpoint is due, changes wait for one."""


class Checkpoints:
    """Of one opened disk. `max_bytes` of log and `seconds` since the first change call for one."""

    def __init__(
        self,
        disk: Disk,
        commits: Commits,
        loop: asyncio.AbstractEventLoop,
        max_bytes: int,
        seconds: float,
        observer: Observer = NOBODY,
    ) -> None:
        self._disk, self._commits, self._loop = disk, commits, loop
        self._max_bytes, self._seconds, self._observer = max_bytes, seconds, observer
        self._one_at_a_time = threading.Lock()
        self._covered = commits.last_sequence
        self._due = asyncio.Event()

    @property
    def covered(self) -> int:
        """The last change that the log need not have any more."""
        return self._covered

    def now(self, *, last: bool = False) -> int:
        """Makes one; gives the last change that it covers. `last` is the one after the commits have stopped. Blocks:
        for worker threads.

        Raises StorageFull while the disk is too full for what was promised, and StorageUnavailable.
        """
        with self._one_at_a_time:
            try:
                covered = self._make(last=last)
                self._commits.no_checkpoint = None
                return covered
            except ArtStoreError as error:
                self._commits.no_checkpoint = error
                raise
            finally:
                self._commits.look_again()

    def _make(self, *, last: bool) -> int:
        covered: int = self._commits.between_groups(self._disk.rotate_log, after_stop=last)
        if covered > self._covered:
            self._commits.applying.wait_until(covered)
            self._disk.make_durable()
            self._disk.drop_log()
            self._disk.drop_staged(self._commits.applying.take_staged(covered))
            self._covered = covered
            self._observer.checkpoint()
        return covered

    def notice(self) -> None:
        """In the committing thread, after each group."""
        if self._disk.log_bytes >= self._max_bytes and not self._due.is_set():
            self._loop.call_soon_threadsafe(self._due.set)

    async def run(self, workers: Workers, report: Callable[[ArtStoreError], None]) -> None:
        """For ever: whenever one is due."""
        while True:
            with suppress(TimeoutError):
                await asyncio.wait_for(self._due.wait(), self._seconds)
            self._due.clear()
            if self._commits.last_sequence > self._covered:
                try:
                    await workers.run(self.now)
                except ArtStoreError as error:
                    report(error)
                    await self._pause_when_full(error)

    async def _pause_when_full(self, error: ArtStoreError) -> None:
        if isinstance(error, StorageFull):
            await asyncio.sleep(min(self._seconds, 1.0))  # room comes when somebody makes it; nothing tells of that

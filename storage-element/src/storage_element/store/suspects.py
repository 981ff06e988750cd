"""Files whose bytes were not there when somebody came for them: looked at closely, so that listings and feed tell."""

from __future__ import annotations

import asyncio
from contextlib import suppress
from typing import Final
from uuid import UUID

from artstore_core.errors import ArtStoreError

from storage_element.store.examiner import Examiner, ReadFailed, Tell

_MOST: Final = 256


class Suspects:
    """A few at a time are remembered; reconcile finds those that are too many."""

    def __init__(self, examiner: Examiner, report: Tell) -> None:
        self._examiner, self._report = examiner, report
        self._loop: asyncio.AbstractEventLoop | None = None
        self._waiting: asyncio.Queue[UUID] = asyncio.Queue(_MOST)
        self._known: set[UUID] = set()

    def note(self, file_id: UUID) -> None:
        """From any thread."""
        if self._loop is not None:
            self._loop.call_soon_threadsafe(self._add, file_id)

    async def run(self) -> None:
        """For ever."""
        self._loop = asyncio.get_running_loop()
        while True:
            file_id = await self._waiting.get()
            with suppress(ArtStoreError, ReadFailed):  # whoever comes for it next says so once more
                await self._examiner.judge(file_id, self._report)
            self._known.discard(file_id)
            self._waiting.task_done()

    def _add(self, file_id: UUID) -> None:
        if file_id not in self._known and not self._waiting.full():
            self._known.add(file_id)
            self._waiting.put_nowait(file_id)

"""Telling viewers how far a conversion is."""

from __future__ import annotations

import asyncio
from contextlib import suppress
from types import TracebackType
from typing import Final, Self

from artstore_core.errors import StorageUnavailable

from render_service.jobs.ports import Jobs, LostJob, Run

_EVERY_SECONDS: Final = 0.5


class Reporter:
    """Writes what it is told of, the latest only and at most twice a second: a decoder may be quicker than the database."""

    def __init__(self, jobs: Jobs, run: Run) -> None:
        self._jobs, self._run = jobs, run
        self._loop = asyncio.get_running_loop()
        self._told = asyncio.Event()
        self._latest = (0, 0)
        self._writing: asyncio.Task[None] | None = None

    def __call__(self, done: int, total: int) -> None:
        """Ports.Progress; from any thread."""
        self._latest = done, total
        self._loop.call_soon_threadsafe(self._told.set)

    async def __aenter__(self) -> Self:
        self._writing = asyncio.create_task(self._write())
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        assert self._writing is not None
        self._writing.cancel()
        await asyncio.wait({self._writing})

    async def _write(self) -> None:
        while True:
            await self._told.wait()
            self._told.clear()
            # Who has lost the job hears it from the heartbeat; progress that could not be written is of no worth later.
            with suppress(StorageUnavailable, LostJob):
                await self._jobs.progress(self._run, *self._latest)
            await asyncio.sleep(_EVERY_SECONDS)

"""The worker's loop: takes jobs while it has hands free, says that it is alive, and gives back what it cannot finish."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta
from typing import Final, Protocol
from uuid import UUID

from artstore_core.errors import StorageUnavailable
from artstore_core.ids import new_id
from artstore_kit.logs import get_logger

from render_service.jobs.conversion import Convert
from render_service.jobs.ports import Jobs, Run
from render_service.metrics import RenderMetrics

_log = get_logger(__name__)

_AWAY_SECONDS: Final = 1.0


@dataclass(frozen=True, slots=True)
class Pace:
    """Seconds. `silent`: after which a worker has lost its jobs; it beats four times in that. `poll`: how long nothing is
    asked when nobody rings: what was put off, and what a dead worker left, is found by asking."""

    silent: float = 20.0
    poll: float = 5.0


class Bell(Protocol):
    """db.listening.Bell: rings when there may be something to do."""

    async def wait(self, seconds: float) -> None: ...

    def ring(self) -> None: ...


class Worker:
    """`slots` conversions at a time."""

    def __init__(
        self, jobs: Jobs, convert: Convert, bell: Bell, *, slots: int, pace: Pace, metrics: RenderMetrics
    ) -> None:
        self.id = new_id()
        self._jobs, self._convert, self._bell = jobs, convert, bell
        self._slots, self._pace, self._metrics = slots, pace, metrics
        self._running: dict[UUID, tuple[Run, asyncio.Task[None]]] = {}
        self._taking = asyncio.Lock()
        self._stopping = False

    async def run(self) -> None:
        """Until `stop`."""
        beating = asyncio.create_task(self._beat())
        try:
            while not self._stopping:
                try:
                    await self._take()
                    await self._bell.wait(self._pace.poll)
                except StorageUnavailable:
                    await self._bell.wait(_AWAY_SECONDS)
                except Exception:  # noqa: BLE001  a worker that ends would leave all jobs to those who get the same
                    _log.exception("jobs could not be taken")
                    await self._bell.wait(_AWAY_SECONDS)
        finally:
            await self._finish(beating)

    async def stop(self, grace: float) -> None:
        """Takes nothing more; what does not end within `grace` seconds goes back into the queue."""
        self._stopping = True
        self._bell.ring()
        async with self._taking:  # what is being taken at this moment is given back too
            tasks = [task for _, task in self._running.values()]
        if tasks:
            _, late = await asyncio.wait(tasks, timeout=grace)
            for task in late:
                task.cancel()
            if late:
                await asyncio.wait(late)

    async def _take(self) -> None:
        free = self._slots - len(self._running)
        if free <= 0:
            return
        mine = [run.number for run, _ in self._running.values()]
        async with self._taking:
            for run in await self._jobs.take(self.id, free, timedelta(seconds=self._pace.silent), mine):
                task = asyncio.create_task(self._convert(run), name=f"job {run.job.id}")
                self._running[run.id] = run, task
                self._metrics.running.inc()
                task.add_done_callback(self._ended(run))

    def _ended(self, run: Run) -> Callable[[asyncio.Task[None]], None]:
        def ended(task: asyncio.Task[None]) -> None:
            self._running.pop(run.id, None)
            self._metrics.running.dec()
            self._bell.ring()
            if not task.cancelled() and (error := task.exception()) is not None:
                # Its heartbeat ends with it, so somebody will take the job up again.
                _log.error("a job could not be brought to an end", job_id=str(run.job.id), exc_info=error)

        return ended

    async def _beat(self) -> None:
        while True:
            await asyncio.sleep(self._pace.silent / 4)
            try:
                await self._beat_once(list(self._running.values()))
            except StorageUnavailable:
                pass  # while the database is away nobody takes anything over
            except Exception:  # noqa: BLE001  a worker without a heartbeat would lose every job it takes
                _log.exception("a heartbeat was lost")

    async def _beat_once(self, running: list[tuple[Run, asyncio.Task[None]]]) -> None:
        alive = await self._jobs.beat([run for run, _ in running]) if running else frozenset()
        for run, task in running:
            if run.id not in alive and run.id in self._running:
                self._metrics.taken_over.inc()
                task.cancel()

    async def _finish(self, beating: asyncio.Task[None]) -> None:
        """The heartbeat goes on for as long as there is work under way."""
        for _, task in self._running.values():
            if not self._stopping:
                task.cancel()
        if self._running:
            await asyncio.wait([task for _, task in self._running.values()])
        beating.cancel()
        await asyncio.wait({beating})

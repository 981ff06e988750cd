"""The worker's loop at its end."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

from artstore_core.ids import new_id
from prometheus_client import CollectorRegistry
from render_service.db.listening import Bell
from render_service.jobs.job import Job, State
from render_service.jobs.ports import Jobs, Run
from render_service.jobs.worker import Pace, Worker
from render_service.metrics import RenderMetrics


def new_run() -> Run:
    now = datetime.now(UTC)
    job = Job(new_id(), new_id(), "0" * 64, "image", State.CONVERTING, 10, 1, 1, now, now)
    return Run(new_id(), 1, job)


class OneJob(Jobs):
    """Hands one job out, once it is told to."""

    def __init__(self) -> None:
        self.asked, self.answers = asyncio.Event(), asyncio.Event()

    async def take(self, worker: UUID, count: int, silent: timedelta, mine: Sequence[int]) -> list[Run]:
        del worker, count, silent, mine
        self.asked.set()
        await self.answers.wait()
        return [new_run()]

    async def beat(self, runs: Sequence[Run]) -> frozenset[UUID]:
        return frozenset(one.id for one in runs)

    async def progress(self, run: Run, done: int, total: int) -> None: ...
    async def announce(self, prefix: str) -> None: ...
    async def publish(self, run: Run, prefix: str, made: Sequence[Any]) -> None: ...
    async def discard(self, run: Run) -> None: ...
    async def end(self, run: Run, outcome: Any) -> None: ...


async def test_a_job_that_is_being_taken_while_it_stops_is_given_back() -> None:
    jobs, given_back = OneJob(), asyncio.Event()

    async def convert(run: Run) -> None:
        del run
        try:
            await asyncio.Event().wait()  # it would take for ever
        finally:
            given_back.set()

    worker = Worker(jobs, convert, Bell(), slots=1, pace=Pace(), metrics=RenderMetrics(CollectorRegistry()))
    working = asyncio.create_task(worker.run())
    await jobs.asked.wait()
    stopping = asyncio.create_task(worker.stop(0))
    await asyncio.sleep(0)
    jobs.answers.set()
    await stopping
    assert given_back.is_set()
    await working

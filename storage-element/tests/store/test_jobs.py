"""When a job begins by itself, and what it does about a disk that gives trouble."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import uuid4

import pytest
from artstore_core.errors import StorageFull, StorageUnavailable
from element_upkeep import ended
from storage_element.store.findings import Finding, FindingKind
from storage_element.store.jobs import MOST_FINDINGS, Job, JobState, Passed, Run
from storage_element.store.workers import Workers

DAY = 24 * 3600.0


@dataclass
class Rig:
    """Stands for the element, its notes and the walk."""

    workers: Workers
    time: datetime = datetime(2026, 11, 22, tzinfo=UTC)
    notes: dict[str, bytes] = field(default_factory=dict)
    opened: asyncio.Event = field(default_factory=asyncio.Event)
    mode: str = "rw"
    walked: list[str] = field(default_factory=list)
    told: asyncio.Queue[str] = field(default_factory=asyncio.Queue)
    trouble: list[Exception] = field(default_factory=list)
    find: int = 0
    full: bool = False

    def load(self, name: str) -> bytes | None:
        return self.notes.get(name)

    def save(self, name: str, content: bytes) -> None:
        if self.full:
            raise StorageFull("full")
        self.notes[name] = content

    async def probe(self) -> None:
        """All is well."""

    async def among(self, shards: list[str], run: Run) -> list[str]:  # noqa: ARG002
        return [shard for shard in shards if shard in ("000", "7ff", "fff")]

    async def shard(self, shard: str, run: Run, passed: Passed) -> None:
        if self.trouble:
            raise self.trouble.pop()
        self.walked.append(shard)
        for _ in range(self.find):
            run.note(Finding(kind=FindingKind.DATA_MISSING, file_id=uuid4(), at=self.time))
        await passed(uuid4(), 1)

    def job(self, **changes: Any) -> Job:
        def tell(event: str, **_: Any) -> None:
            self.told.put_nowait(event)

        given: dict[str, Any] = {"every": DAY, "checksums": False, "first": 0.0}
        element: Any = self
        return Job("test", self, self, element, self.workers, lambda: self.time, lambda: 0.0, tell, **(given | changes))


@pytest.fixture
async def rig() -> AsyncIterator[Rig]:
    workers = Workers()
    made = Rig(workers)
    made.opened.set()
    yield made
    workers.close()


async def until(rig: Rig, job: Job, holds: Callable[[JobState], bool]) -> JobState:
    """Runs the job until its state is so."""
    task = asyncio.create_task(job.run())
    try:
        async with asyncio.timeout(5):
            while not holds(state := await job.state()):
                await rig.told.get()
        return state
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


async def test_first_one_begins_by_itself_and_the_next_when_it_is_due(rig: Rig) -> None:
    state = await until(rig, rig.job(), lambda state: state.finished_at is not None)
    assert (rig.walked, state.files, state.position) == (["000", "7ff", "fff"], 3, 4096)
    with pytest.raises(TimeoutError):
        await asyncio.wait_for(rig.job().run(), 0.1)
    assert len(rig.walked) == 3
    rig.time += timedelta(seconds=DAY)
    began = rig.time
    await until(rig, rig.job(), lambda state: state.started_at == began and state.state == "idle")
    assert len(rig.walked) == 6


async def test_clock_that_went_back_puts_it_off_by_no_more_than_one_interval(rig: Rig) -> None:
    await until(rig, rig.job(), lambda state: state.finished_at is not None)
    rig.time -= timedelta(days=3650)
    state = await until(rig, rig.job(every=0.05), lambda state: state.started_at == rig.time and state.state == "idle")
    assert state.files == 3


async def test_one_that_was_running_goes_on(rig: Rig) -> None:
    state = JobState(state="running", started_at=rig.time, position=0x7FF, files=1)
    rig.notes["test"] = state.model_dump_json().encode()
    done = await until(rig, rig.job(), lambda state: state.state == "idle")
    assert (rig.walked, done.files) == (["7ff", "fff"], 3)


async def test_one_that_was_stopped_waits_for_its_time(rig: Rig) -> None:
    state = JobState(state="stopped", checksums=False, started_at=rig.time, position=0x7FF)
    rig.notes["test"] = state.model_dump_json().encode()
    with pytest.raises(TimeoutError):
        await asyncio.wait_for(rig.job().run(), 0.1)
    assert rig.walked == []
    job = rig.job()
    assert (await job.start(checksums=True)).position == 0  # another wish: from the beginning
    assert (await job.stop()).state == "stopped"
    assert (await ended(job)).state == "stopped"


async def test_disk_that_gives_trouble_is_waited_for_and_the_wait_can_be_stopped(rig: Rig) -> None:
    rig.trouble = [StorageUnavailable("away")]
    job = rig.job()
    task = asyncio.create_task(job.run())
    async with asyncio.timeout(5):
        while await rig.told.get() != "waits":
            """It begins."""
        assert (await job.stop()).state == "stopped"
        assert (await job.start(checksums=False)).state == "running"
        assert (await ended(job)).files == 3
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)


async def test_notes_that_find_no_room_do_not_stop_it(rig: Rig) -> None:
    rig.full = True
    done = await until(rig, rig.job(), lambda state: state.finished_at is not None)
    assert done.files == 3


async def test_findings_are_counted_and_the_last_are_kept(rig: Rig) -> None:
    rig.find = 700
    done = await until(rig, rig.job(), lambda state: state.finished_at is not None)
    assert (done.counts, len(done.findings)) == ({FindingKind.DATA_MISSING: 2100}, MOST_FINDINGS)

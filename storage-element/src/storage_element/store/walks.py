"""What reconcile and scrub do with each directory of files.

**Reconcile** compares names, records, sizes and the index, and where it is asked to also reads every byte, as fast as
the disk gives them; it mends what can be mended. **Scrub** reads every byte, slowly, and mends nothing that it has not
just found broken: that a file which was damaged is right again is for somebody to ask.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from itertools import islice
from typing import Final
from uuid import UUID

from artstore_core.files import Attributes, FileStatus

from storage_element.store.element import Element
from storage_element.store.examiner import Examiner, ReadFailed, Spent
from storage_element.store.findings import Finding, FindingKind, has_bytes
from storage_element.store.inspection import Inspection, ShardNames
from storage_element.store.jobs import Passed, Run
from storage_element.store.pace import Pace
from storage_element.store.ports import Clock, Index
from storage_element.store.read_errors import ReadErrors
from storage_element.store.workers import Workers

_SLICE: Final = 256
_COST_OF_A_FILE: Final = 64 * 1024
"""A file that is smaller takes its time as well, of the disk and of this process: it counts as one of so many bytes."""

Report = Callable[[Finding], None]


class Noting:
    """Where findings go: into the run's state, and to whoever counts and logs them."""

    def __init__(self, run: Run, report: Report) -> None:
        self._run, self._report = run, report

    def __call__(self, finding: Finding) -> None:
        self._run.note(finding)
        self._report(finding)


@dataclass(frozen=True, slots=True)
class Tools:
    """What both walks work with."""

    disk: Inspection
    examiner: Examiner
    read_errors: ReadErrors
    element: Element
    workers: Workers
    now: Clock
    monotonic: Callable[[], float]


class ReconcileWalk:
    """Fulfils `store.jobs.Walk`."""

    def __init__(self, tools: Tools, report: Report) -> None:
        self._tools, self._report = tools, report

    async def among(self, shards: list[str], run: Run) -> list[str]:
        tools = self._tools
        await tools.read_errors.load()
        there = await tools.workers.run(tools.disk.shards)
        if run.state.position == 0:
            await self._forget_purged()
            for name in await tools.workers.run(tools.disk.strangers):
                Noting(run, self._report)(Finding(kind=FindingKind.UNKNOWN_NAME, name=name, at=tools.now()))

        def known(index: Index) -> list[str]:
            return [shard for shard in shards if shard in there or index.shard(shard)]

        return await tools.element.read_index(known, long=True)

    async def _forget_purged(self) -> None:
        errors = self._tools.read_errors

        def purged(index: Index) -> list[UUID]:
            return [file_id for file_id in errors.files if index.get(file_id) is None]

        for file_id in await self._tools.element.read_index(purged):
            await errors.forget(file_id)

    async def shard(self, shard: str, run: Run, passed: Passed) -> None:
        tools, note = self._tools, Noting(run, self._report)
        names = await tools.workers.run(tools.disk.shard, shard)
        known = await tools.element.read_index(lambda index: index.shard(shard), long=True)
        if run.state.after is None:
            for name in names.strangers:
                note(Finding(kind=FindingKind.UNKNOWN_NAME, name=name, at=tools.now()))
        for ids in _slices(names.records | names.data | known.keys(), run.state.after):
            began = tools.monotonic()
            doubtful = await tools.workers.run(tools.examiner.glance, ids, known)
            if run.state.checksums:
                await self._each(ids, set(doubtful), known, run, note, passed)
                continue
            for file_id in doubtful:
                await _judge(tools, file_id, note, run)
            await self._read_again(ids, set(doubtful), known, run, note)
            await passed(ids[-1], len(ids))
            # Nobody waits for this one: half of the time is for those who wait for something.
            await run.pause(tools.monotonic() - began)

    async def _read_again(
        self, ids: Sequence[UUID], doubtful: set[UUID], known: dict[UUID, Attributes], run: Run, note: Noting
    ) -> None:
        """Those that the disk did not give out lately: until the next scrub could be long."""
        for file_id in ids:
            record = known.get(file_id)
            if record is not None and file_id in self._tools.read_errors and file_id not in doubtful:
                await _read(self._tools, record, note, run, _spent_of(run))

    async def _each(
        self,
        ids: Sequence[UUID],
        doubtful: set[UUID],
        known: dict[UUID, Attributes],
        run: Run,
        note: Noting,
        passed: Passed,
    ) -> None:
        spent = _spent_of(run)
        for file_id in ids:
            record = known.get(file_id)
            if file_id in doubtful or (record is not None and record.status is FileStatus.DAMAGED):
                await _judge(self._tools, file_id, note, run, spent, heal=True)
            elif record is not None and has_bytes(record, self._tools.now()):
                await _read(self._tools, record, note, run, spent)
            await passed(file_id, 1)


class ScrubWalk:
    """Fulfils `store.jobs.Walk`. `on_read` is told of bytes as they are read."""

    def __init__(self, tools: Tools, pace: Pace, report: Report, on_read: Callable[[int], None]) -> None:
        self._tools, self._pace, self._report, self._on_read = tools, pace, report, on_read

    async def among(self, shards: list[str], run: Run) -> list[str]:  # noqa: ARG002 - nothing of it is needed here
        await self._tools.read_errors.load()
        there = await self._tools.workers.run(self._tools.disk.shards)
        return [shard for shard in shards if shard in there]

    async def shard(self, shard: str, run: Run, passed: Passed) -> None:
        tools, note = self._tools, Noting(run, self._report)
        names: ShardNames = await tools.workers.run(tools.disk.shard, shard)
        known = await tools.element.read_index(lambda index: index.shard(shard), long=True)

        async def spent(size: int) -> None:
            run.state.bytes += size
            self._on_read(size)
            await run.pause(self._pace.owed(max(size, _COST_OF_A_FILE)))

        for ids in _slices(names.records, run.state.after):
            doubtful = set(await tools.workers.run(tools.examiner.glance, ids, known))
            for file_id in ids:
                record = known.get(file_id)
                if file_id in doubtful:
                    await _judge(tools, file_id, note, run, spent)
                elif record is not None and has_bytes(record, tools.now()):
                    await _read(tools, record, note, run, spent)
                await passed(file_id, 1)


def _spent_of(run: Run) -> Spent:
    async def spent(size: int) -> None:
        run.state.bytes += size
        run.check()

    return spent


async def _read(tools: Tools, record: Attributes, note: Noting, run: Run, spent: Spent) -> None:
    """Reads one file that looks right, and looks closer if its bytes are not."""
    file_id = record.file_id
    try:
        found = await tools.examiner.read(file_id, spent)
    except ReadFailed as failed:
        await _not_given_out(tools, file_id, failed, note, run)
        return
    await tools.read_errors.forget(file_id)
    if found != (record.checksum, record.size):
        await _judge(tools, file_id, note, run, spent)


async def _judge(
    tools: Tools, file_id: UUID, note: Noting, run: Run, spent: Spent | None = None, *, heal: bool = False
) -> None:
    """Without `spent` the bytes are not read."""
    run.check()
    try:
        await tools.examiner.judge(file_id, note, spent, heal=heal)
    except ReadFailed as failed:
        await _not_given_out(tools, file_id, failed, note, run)


async def _not_given_out(tools: Tools, file_id: UUID, failed: ReadFailed, note: Noting, run: Run) -> None:
    """Told; and in one run too many it is damage."""
    note(Finding(kind=FindingKind.READ_ERROR, file_id=file_id, at=tools.now()))
    if failed.by_the_disk and await tools.read_errors.add(file_id, run.name):
        with suppress(ReadFailed):
            if await tools.examiner.give_up(file_id, note):
                await tools.read_errors.forget(file_id)


def _slices(ids: frozenset[UUID], after: UUID | None) -> Iterator[list[UUID]]:
    ordered = iter(sorted(file_id for file_id in ids if after is None or file_id > after))
    while some := list(islice(ordered, _SLICE)):
        yield some

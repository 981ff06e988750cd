"""Long walks over all files that run beside everything else, can be stopped, and go on where they were (S7, S14).

How far one has come is kept in maintenance/<name>.json, so that it goes on after a restart. Losing that costs time only.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from contextlib import suppress
from typing import Annotated, Any, Final, Literal, Protocol
from uuid import UUID

from artstore_core.errors import ArtStoreError, StorageFull, StorageUnavailable
from artstore_core.files import Moment
from pydantic import BaseModel, Field, ValidationError

from storage_element.store.element import Element
from storage_element.store.findings import Finding, FindingKind
from storage_element.store.inspection import SHARDS, Notes
from storage_element.store.ports import Clock
from storage_element.store.workers import Workers

MOST_FINDINGS: Final = 1000
FIRST_SECONDS: Final = 60.0
"""From the start of the element to that of anything that nobody asked for."""
_SAVE_SECONDS: Final = 30.0
_RETRY_SECONDS: Final = 10.0
"""How often a job looks whether the disk is there again."""


class JobState(BaseModel):
    """`position` of `total` directories are done, and of the next one the files up to `after`. `counts` are of all
    findings since `started_at`, `findings` the last of them."""

    state: Literal["idle", "running", "stopped"] = "idle"
    checksums: bool = True
    started_at: Moment | None = None
    finished_at: Moment | None = None
    position: Annotated[int, Field(ge=0, le=SHARDS)] = 0
    total: int = SHARDS
    after: UUID | None = None
    files: int = 0
    bytes: int = 0
    counts: dict[FindingKind, int] = {}
    findings: list[Finding] = []


class Stopped(Exception):
    """Somebody stopped the job."""


class Run:
    """One run of a job, as the walk sees it."""

    def __init__(self, state: JobState) -> None:
        self.state = state
        self._stop = asyncio.Event()

    @property
    def name(self) -> str:
        """The same after a stop or a restart, and no other run's."""
        return "" if self.state.started_at is None else self.state.started_at.isoformat()

    def stop(self) -> None:
        self._stop.set()

    def check(self) -> None:
        """Raises Stopped."""
        if self._stop.is_set():
            raise Stopped

    async def pause(self, seconds: float) -> None:
        """Raises Stopped, at once when that happens."""
        if seconds > 0:
            with suppress(TimeoutError):
                await asyncio.wait_for(self._stop.wait(), seconds)
        self.check()

    def note(self, finding: Finding) -> None:
        self.state.counts[finding.kind] = self.state.counts.get(finding.kind, 0) + 1
        self.state.findings.append(finding)
        del self.state.findings[:-MOST_FINDINGS]


class Walk(Protocol):
    """What is done with each directory."""

    async def among(self, shards: list[str], run: Run) -> list[str]:
        """Those of them where there is anything to do."""
        ...

    async def shard(self, shard: str, run: Run, passed: Passed) -> None:
        """All files behind `run.state.after`. Raises Stopped, StorageFull, StorageUnavailable."""
        ...


class Passed(Protocol):
    """So many more files were seen to, up to this one."""

    async def __call__(self, after: UUID, files: int) -> None: ...


Tell = Callable[..., Any]


class Job:
    """One kind of walk. It begins by itself `every` seconds after it began the last time, and after a start of the
    element not before `first` seconds."""

    def __init__(
        self,
        name: str,
        walk: Walk,
        notes: Notes,
        element: Element,
        workers: Workers,
        now: Clock,
        monotonic: Callable[[], float],
        tell: Tell,
        *,
        every: float,
        checksums: bool,
        first: float = FIRST_SECONDS,
    ) -> None:
        self._name, self._walk, self._notes, self._element = name, walk, notes, element
        self._workers, self._now, self._monotonic, self._tell = workers, now, monotonic, tell
        self._every, self._checksums, self._first = every, checksums, first
        self._state, self._loaded = JobState(checksums=checksums), False
        self._loading = asyncio.Lock()
        self._running: Run | None = None
        self._asked, self._ended = asyncio.Event(), asyncio.Event()
        self._ended.set()
        self._saved_at = monotonic()

    @property
    def progress(self) -> float:
        """From 0 to 1."""
        return self._state.position / SHARDS

    async def state(self) -> JobState:
        """Raises StorageUnavailable while the element is closed and it is not known."""
        await self._load()
        return self._state.model_copy(deep=True)

    async def start(self, *, checksums: bool) -> JobState:
        """Begins, or goes on with what was stopped; one that runs already goes on as it is."""
        await self._element.probe()
        await self._load()
        if self._state.state != "running":
            if self._state.state == "stopped" and self._state.checksums == checksums:
                self._state.state = "running"
            else:
                self._begin(checksums)
            self._ended.clear()
            self._asked.set()
            begun = await self.state()
            await self._save()
            return begun
        return await self.state()

    async def stop(self) -> JobState:
        """Has stopped when this returns."""
        await self._load()
        if self._running is not None:
            self._running.stop()
            await self._ended.wait()
        elif self._state.state == "running":
            self._state.state = "stopped"
            self._ended.set()
            await self._save()
        return await self.state()

    async def run(self) -> None:
        """For ever: whenever one is due or asked for."""
        await self._element.opened.wait()
        await self._asked_within(self._first)
        while True:
            try:
                await self._load()
                if self._state.state != "running" and await self._is_due():
                    self._begin(self._checksums)
                if self._state.state == "running":
                    await self._one()
            except ArtStoreError as error:
                self._tell("waits", job=self._name, why=error.message)
                await self._asked_within(_RETRY_SECONDS)
            except Exception as error:  # noqa: BLE001  # a job that ended here would say for ever that it runs
                self._tell("waits", job=self._name, why=repr(error))
                await self._asked_within(_RETRY_SECONDS)

    async def _is_due(self) -> bool:
        """Once it is; False when somebody asked for one before that."""
        began = self._state.started_at
        passed = self._every if began is None else (self._now() - began).total_seconds()
        return not await self._asked_within(min(max(self._every - passed, 0.0), self._every))

    async def _asked_within(self, seconds: float) -> bool:
        try:
            await asyncio.wait_for(self._asked.wait(), seconds)
        except TimeoutError:
            return False
        self._asked.clear()
        return True

    def _begin(self, checksums: bool) -> None:
        self._state = JobState(state="running", checksums=checksums, started_at=self._now())

    async def _one(self) -> None:
        run = self._running = Run(self._state)
        self._ended.clear()
        self._tell("began", job=self._name, position=run.state.position)
        try:
            await self._walk_on(run)
            run.state.state, run.state.finished_at = "idle", self._now()
        except Stopped:
            run.state.state = "stopped"
        finally:
            self._running = None
            await self._save()
            self._ended.set()
        counts = {kind.value: count for kind, count in run.state.counts.items()}
        self._tell("ended", job=self._name, state=run.state.state, files=run.state.files, found=counts)

    async def _walk_on(self, run: Run) -> None:
        """Raises Stopped; waits for a disk that is away or full, and goes on."""
        while run.state.position < SHARDS:
            try:
                await self._next(run)
            except (StorageUnavailable, StorageFull) as error:
                self._tell("waits", job=self._name, why=error.message)
                await run.pause(_RETRY_SECONDS)

    async def _next(self, run: Run) -> None:
        """A few hundred directories, most of which may be empty."""
        run.check()
        numbers = range(run.state.position, min(run.state.position + 256, SHARDS))
        names = [f"{number:03x}" for number in numbers]

        async def passed(after: UUID, files: int) -> None:
            run.state.after = after
            run.state.files += files
            await self._save_now_and_then()
            run.check()

        for shard in await self._walk.among(names, run):
            number = int(shard, 16)
            if number != run.state.position:
                run.state.position, run.state.after = number, None
            await self._walk.shard(shard, run, passed)
            run.state.position, run.state.after = number + 1, None
        run.state.position, run.state.after = numbers.stop, None

    async def _load(self) -> None:
        """Raises StorageUnavailable."""
        async with self._loading:
            if self._loaded:
                return
            _ = self._element.mode  # while the element is closed, nothing is known
            content = await self._workers.run(self._notes.load, self._name)
            if content is not None:
                with suppress(ValidationError):
                    self._state = JobState.model_validate_json(content)
            if self._state.state == "running":
                self._ended.clear()
            self._loaded = True

    async def _save_now_and_then(self) -> None:
        if self._monotonic() - self._saved_at >= _SAVE_SECONDS:
            await self._save()

    async def _save(self) -> None:
        """Where the disk does not take it, how far it came is known until a restart, at least."""
        self._saved_at = self._monotonic()
        content = self._state.model_dump_json(indent=1).encode()
        with suppress(ArtStoreError):
            await self._workers.run(self._notes.save, self._name, content)

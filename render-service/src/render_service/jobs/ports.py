"""What jobs need of the world."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Any, Protocol
from uuid import UUID

from artstore_outbox import Position

from render_service.decoders.contract import Decoded, Limits, MediaKind, Progress, Ready, Wanted
from render_service.jobs.job import Candidate, Job, Source
from render_service.renditions.rendition import NewRendition


@dataclass(frozen=True, slots=True)
class Taken:
    """A row of the queue that was handed to a worker: its number, and the job that it carries."""

    number: int
    job_id: UUID


@dataclass(frozen=True, slots=True)
class Run:
    """A worker's turn at a job. `id` is new for each, so that a run that has lost its job can change nothing of it."""

    id: UUID
    number: int
    job: Job


@dataclass(frozen=True, slots=True)
class Outcome:
    """How a run ended. `again_in` is set where it is to be tried once more; then `reason` says why, or there is none: it was
    given back unfinished."""

    reason: str | None = None
    permanent: bool = False
    again_in: timedelta | None = None
    technical: Mapping[str, Any] | None = None

    @property
    def given_back(self) -> bool:
        return self.again_in is not None and self.reason is None


class LostJob(Exception):
    """Another worker has it, or its file is deleted: nothing that this run made is wanted."""


class Decode(Protocol):
    """decoders.run.Decoders.decode. Raises DecodeFailed. Cancelled, it leaves nothing running."""

    async def __call__(
        self,
        source: Path,
        kind: MediaKind,
        wanted: Wanted,
        into: Path,
        limits: Limits,
        progress: Progress,
        ready: Ready | None = None,
    ) -> Decoded: ...


class Files(Protocol):
    """The registry. All raise StorageUnavailable when it cannot be asked."""

    async def source(self, file_id: UUID) -> Source | None: ...


class Bytes(Protocol):
    async def fetch(self, source: Source, into: Path) -> None:
        """The file's bytes, their checksum checked. Raises ArtStoreError where they cannot be had now or at all."""
        ...


class Jobs(Protocol):
    """The jobs as a worker sees them. All raise StorageUnavailable when the database is away."""

    async def take(self, worker: UUID, count: int, silent: timedelta, mine: Sequence[int]) -> list[Run]:
        """New turns, at most `count`; `mine` are those under way here, which stay so."""
        ...

    async def beat(self, runs: Sequence[Run]) -> frozenset[UUID]:
        """Says that these go on. Gives those that still have their job."""
        ...

    async def progress(self, run: Run, done: int, total: int) -> None: ...

    async def announce(self, prefix: str) -> None:
        """Before anything is written below it: so that nothing stays for ever of a run that dies."""
        ...

    async def publish(self, run: Run, prefix: str, made: Sequence[NewRendition]) -> None:
        """What is in the store below `prefix` is shown from now on. Raises LostJob."""
        ...

    async def discard(self, run: Run) -> None:
        """What it wrote and did not publish is wanted no more."""
        ...

    async def end(self, run: Run, outcome: Outcome) -> None:
        """Raises LostJob."""
        ...


class Registrations(Protocol):
    """What the intake does, in one transaction."""

    async def position(self) -> Position | None: ...
    async def keep(self, position: Position) -> None: ...
    async def named(self, file_ids: Sequence[UUID]) -> list[Candidate]: ...
    async def register(self, files: Sequence[tuple[Candidate, MediaKind]], priority: int) -> None:
        """A job for each that has none, and a new one where the bytes are others."""
        ...

    async def forget(self, file_ids: Sequence[UUID]) -> None: ...
    async def next_files(self, after: UUID, limit: int) -> list[Candidate]: ...
    async def next_orphans(self, after: UUID, limit: int) -> list[UUID]: ...


class Ledger(Protocol):
    def writing(self) -> AbstractAsyncContextManager[Registrations]:
        """Commits at the end; of several workers one at a time is inside."""
        ...

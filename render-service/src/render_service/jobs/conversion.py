"""One job from its file to its previews."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Final, Protocol

from artstore_core.errors import ArtStoreError, StorageUnavailable
from artstore_core.files import FileStatus
from artstore_kit.logs import get_logger
from artstore_kit.spans import span
from artstore_kit.tracing import Tracing

from render_service.decoders.contract import DecodeFailed, Limits, MediaKind, Wanted
from render_service.jobs.backoff import Backoff
from render_service.jobs.job import Source, State
from render_service.jobs.ports import Bytes, Decode, Files, Jobs, LostJob, Outcome, Run
from render_service.jobs.publishing import Publisher, patiently
from render_service.jobs.reporting import Reporter
from render_service.metrics import RenderMetrics
from render_service.renditions.store import RenditionStore

_log = get_logger(__name__)

_EXTENSION: Final = re.compile(r"[A-Za-z0-9]{1,8}")


@dataclass(frozen=True, slots=True)
class Terms:
    """Under which a file is converted: in a directory below `place`."""

    place: Path
    max_file_bytes: int = 4 * 1024**3
    limits: Limits = field(default_factory=Limits)
    backoff: Backoff = field(default_factory=Backoff)


class Convert(Protocol):
    async def __call__(self, run: Run) -> None:
        """To its end, whatever that is. Cancelled, it gives the job back."""
        ...


def traced(convert: Convert, tracing: Tracing) -> Convert:
    """Each job is a trace of its own: nobody waits for it."""

    async def converted(run: Run) -> None:
        job = run.job
        about = {"artstore.file_id": str(job.file_id), "artstore.job_id": str(job.id), "artstore.media": job.media}
        with tracing.root("render job", about):
            await convert(run)

    return converted


class _GivenUp(Exception):
    """`reason` is for people; `permanent` unless the file may be in order again some day."""

    def __init__(self, reason: str, *, permanent: bool = True) -> None:
        super().__init__(reason)
        self.reason, self.permanent = reason, permanent


@dataclass(frozen=True, slots=True)
class Conversion:
    jobs: Jobs
    files: Files
    bytes: Bytes
    store: RenditionStore
    decode: Decode
    terms: Terms
    metrics: RenderMetrics

    async def __call__(self, run: Run) -> None:
        try:
            outcome = await self._outcome(run)
            await patiently(lambda: self.jobs.end(run, outcome))
        except (LostJob, asyncio.CancelledError) as broken_off:
            with suppress(StorageUnavailable):
                await self._leave(run)
            if isinstance(broken_off, asyncio.CancelledError):
                raise
        else:
            self._count(outcome)

    async def _leave(self, run: Run) -> None:
        """Back into the queue, unless it is somebody else's now or its file is gone."""
        with suppress(LostJob):
            await self.jobs.end(run, Outcome(again_in=timedelta(0)))
        await self.jobs.discard(run)

    async def _outcome(self, run: Run) -> Outcome:
        if run.job.attempts > self.terms.backoff.attempts:
            # Not by way of `_again`: it was no try that failed but the worker that died.
            return Outcome("the worker died each time while converting it")
        try:
            return Outcome(technical=await self._convert(run))
        except _GivenUp as known:
            return Outcome(known.reason, permanent=known.permanent)
        except DecodeFailed as failed:
            return Outcome(failed.reason, permanent=True) if failed.permanent else self._again(run, failed.reason)
        except ArtStoreError as error:
            return self._again(run, error.message)
        except OSError as error:
            _log.warning("a conversion could not use its disk", reason=type(error).__name__, errno=error.errno)
            return self._again(run, "the worker could not write to its disk")
        except LostJob:
            raise
        except Exception:  # noqa: BLE001  whatever a decoder raises is one job's affair
            _log.exception("a conversion broke off", job_id=str(run.job.id))
            return self._again(run, "the conversion broke off unexpectedly")

    def _again(self, run: Run, reason: str) -> Outcome:
        return Outcome(reason, again_in=self.terms.backoff.pause(run.job.attempts))

    async def _convert(self, run: Run) -> Mapping[str, object]:
        source = _convertible(await self.files.source(run.job.file_id), self.terms.max_file_bytes)
        with TemporaryDirectory(dir=self.terms.place) as directory:
            local = Path(directory) / f"source{_extension(source.original_filename)}"
            with span("fetch file", {"artstore.bytes": source.size}):
                await self.bytes.fetch(source, local)
            into = Path(directory) / "made"
            into.mkdir()
            return await self._decode(run, local, into)

    async def _decode(self, run: Run, local: Path, into: Path) -> Mapping[str, object]:
        kind = MediaKind(run.job.media)
        async with Reporter(self.jobs, run) as reporter, Publisher(self.jobs, self.store, run) as publisher:
            with span("decode", {"artstore.media": kind.value}):
                decoded = await self.decode(local, kind, Wanted(), into, self.terms.limits, reporter, publisher)
            await publisher.finish(tuple(decoded.outputs))
        return decoded.technical

    def _count(self, outcome: Outcome) -> None:
        if outcome.again_in is not None:
            self.metrics.retries.inc()
        else:
            state = State.FAILED if outcome.reason else State.READY
            self.metrics.ended.labels(state.value).inc()


def _convertible(source: Source | None, max_bytes: int) -> Source:
    if source is None or source.status in (FileStatus.DELETED, FileStatus.EXPIRED):
        raise _GivenUp("the file is deleted")
    if source.status is FileStatus.DAMAGED:
        raise _GivenUp("the file is damaged", permanent=False)
    if source.size > max_bytes:
        raise _GivenUp(f"the file is larger than {max_bytes // 1024**2} MiB")
    return source


def _extension(filename: str) -> str:
    """Some formats are told apart by it. Only letters and digits, for it becomes a part of a path."""
    _, dot, extension = filename.rpartition(".")
    return f".{extension.lower()}" if dot and _EXTENSION.fullmatch(extension) else ""

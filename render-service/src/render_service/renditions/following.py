"""News of a conversion for those who watch it (SSE)."""

from __future__ import annotations

import asyncio
import json
from collections import defaultdict
from collections.abc import AsyncIterator, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from typing import Final, Protocol
from uuid import UUID

from artstore_core.errors import RateLimited, StorageUnavailable

from render_service.jobs.job import Job, State
from render_service.metrics import RenderMetrics

_ENDS: Final = frozenset({State.READY, State.FAILED})


@dataclass(frozen=True, slots=True)
class Patience:
    """Seconds. `beat`: how often something is sent, so that nobody on the way thinks the connection dead. `whole`: how long
    one stream lasts; EventSource comes back by itself, and is checked anew."""

    beat: float = 15.0
    whole: float = 600.0


class JobOf(Protocol):
    async def job_of(self, file_id: UUID) -> Job | None: ...


class Feeds:
    """Who waits for news of which file. At most `limit` of them."""

    def __init__(self, limit: int, metrics: RenderMetrics) -> None:
        self._limit, self._metrics = limit, metrics
        self._waiting: defaultdict[str, set[asyncio.Event]] = defaultdict(set)
        self._count = 0
        self.closed = False

    @contextmanager
    def subscribed(self, file_id: UUID) -> Iterator[asyncio.Event]:
        """An event that is set whenever there may be news. Raises RateLimited when too many wait."""
        if self._count >= self._limit:
            raise RateLimited("Too many follow conversions now", headers={"Retry-After": "10"})
        news, key = asyncio.Event(), str(file_id)
        self._waiting[key].add(news)
        self._count += 1
        self._metrics.followers.inc()
        try:
            yield news
        finally:
            self._waiting[key].discard(news)
            if not self._waiting[key]:
                del self._waiting[key]
            self._count -= 1
            self._metrics.followers.dec()

    def heard(self, file_id: str) -> None:
        for news in self._waiting.get(file_id, ()):
            news.set()

    def missed(self) -> None:
        """There may be news of any."""
        for waiting in list(self._waiting.values()):
            for news in waiting:
                news.set()

    def close(self) -> None:
        """Every stream ends, so that the process can."""
        self.closed = True
        self.missed()


async def follow(
    jobs: JobOf, feeds: Feeds, news: asyncio.Event, file_id: UUID, patience: Patience
) -> AsyncIterator[bytes]:
    """Events until the conversion is at its end, the file is gone, or patience is over."""
    give_up = asyncio.get_running_loop().time() + patience.whole
    said = b""
    yield b"retry: 2000\n\n"
    while not feeds.closed and asyncio.get_running_loop().time() < give_up:
        news.clear()
        try:
            job = await jobs.job_of(file_id)
        except StorageUnavailable:
            job = None
        else:
            if job is None:
                yield b"event: gone\ndata: {}\n\n"
                return
        if job is not None and (event := event_of(job)) != said:
            yield event
            said = event
            if job.state in _ENDS:
                return
        with suppress(TimeoutError):
            async with asyncio.timeout(patience.beat):
                await news.wait()
        if not news.is_set():
            yield b": still there\n\n"


def stamp(job: Job) -> str:
    """The event's id, by which one who comes back says what it has seen (Last-Event-ID)."""
    return f"{job.generation}-{job.state}-{job.done}"


def is_over(job: Job, last_event_id: str | None) -> bool:
    """Whether one who has seen that event would hear nothing new: EventSource comes back also after an end."""
    return job.state in _ENDS and last_event_id == stamp(job)


def event_of(job: Job) -> bytes:
    """`message` is for people: `12 of 100 pages`, or why it failed."""
    data = {
        "state": job.state.value,
        "done": job.done,
        "total": job.total,
        "message": job.reason or (job.progress if job.state is State.CONVERTING else None) or job.state.value,
    }
    text = json.dumps(data, ensure_ascii=False)
    return f"id: {stamp(job)}\nevent: {job.state.value}\ndata: {text}\n\n".encode()

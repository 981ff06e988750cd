"""Forgetting what the registry's events say has changed."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator, Coroutine
from contextlib import aclosing, asynccontextmanager
from typing import Protocol
from uuid import UUID

from artstore_kit.logs import get_logger
from artstore_outbox import Event, Events, Lost, News, Position, Positions

from query_service.metrics import QueryMetrics

_log = get_logger(__name__)


class Forgets(Protocol):
    """files.hot.HotFiles."""

    def forget(self, file_id: UUID) -> None: ...
    def forget_all(self) -> None: ...


class Follows(Protocol):
    """artstore_outbox.Follower."""

    def follow(self, positions: Positions) -> AsyncGenerator[News, None]: ...


class Changes:
    """Keeps memory true to the registry while its events can be heard.

    While they cannot, nothing is forgotten before its time: bytes still come out of elements that are there, and no
    entry outlives its seconds. After that the events that were missed come first; where they are lost, all is forgotten.
    """

    def __init__(self, follower: Follows, memory: Forgets, metrics: QueryMetrics) -> None:
        self._follower, self._memory, self._metrics = follower, memory, metrics
        self._position: Position | None = None

    async def load(self) -> Position | None:
        """artstore_outbox.Positions. A place in memory is enough: what it is about is in memory too."""
        return self._position

    async def follow(self) -> None:
        """Until cancelled."""
        async with aclosing(self._follower.follow(self)) as heard:
            async for news in heard:
                match news:
                    case Events(events):
                        for event in events:
                            self._forget(event)
                    case Lost(why):
                        _log.info("files in memory are forgotten", why=why)
                        self._memory.forget_all()
                self._position = news.position

    def _forget(self, event: Event) -> None:
        self._metrics.cache_invalidations.inc()
        if event.kind.startswith("file."):
            self._memory.forget(UUID(event.subject))
        else:
            # An element has another url or mode, or is new: rare, and entries are not kept by element.
            self._memory.forget_all()


@asynccontextmanager
async def running(following: Coroutine[None, None, None]) -> AsyncIterator[None]:
    """Follows beside what is within, and stops at its end."""
    task = asyncio.create_task(following)
    task.add_done_callback(_ended)
    try:
        yield
    finally:
        task.cancel()
        await asyncio.wait({task})


def _ended(task: asyncio.Task[None]) -> None:
    if not task.cancelled() and (error := task.exception()) is not None:
        # Entries still end with their seconds; that a change is seen sooner is over until the next start.
        _log.error("the registry's events are heard no more", exc_info=error)

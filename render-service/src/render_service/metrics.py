"""What render-service counts, beside what every service does."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from artstore_kit.logs import get_logger
from prometheus_client import CollectorRegistry, Counter, Gauge

_log = get_logger(__name__)

_EVERY_SECONDS: Final = 15.0


class RenderMetrics:
    def __init__(self, registry: CollectorRegistry) -> None:
        self.ended = Counter("artstore_render_jobs_total", "Jobs that came to an end", ["state"], registry=registry)
        self.retries = Counter("artstore_render_retries_total", "Tries that failed and come again", registry=registry)
        self.taken_over = Counter(
            "artstore_render_lost_runs_total", "Runs that lost their job to another worker", registry=registry
        )
        self.running = Gauge("artstore_render_conversions", "Conversions under way", registry=registry)
        self.made_again = Counter(
            "artstore_render_lost_renditions_total", "Renditions that the store had lost", registry=registry
        )
        self.followers = Gauge("artstore_render_event_streams", "Viewers who follow a conversion", registry=registry)


@dataclass(frozen=True, slots=True)
class QueueState:
    """`oldest`: since when the one waits that has waited longest; `dead` have failed until somebody retries them."""

    waiting: int
    oldest: datetime | None
    dead: int


class QueueFigures:
    """The queue as Prometheus sees it. Of all workers and replicas: each that answers viewers shows the same."""

    def __init__(
        self,
        count: Callable[[], Awaitable[QueueState]],
        clock: Callable[[], datetime],
        registry: CollectorRegistry,
        every: float = _EVERY_SECONDS,
    ) -> None:
        self._count, self._clock, self._every = count, clock, every
        self._oldest: datetime | None = None
        self._waiting = Gauge("artstore_render_jobs_waiting", "Jobs that wait for a worker", registry=registry)
        self._dead = Gauge(
            "artstore_render_dead_letters", "Jobs that have failed until somebody retries them", registry=registry
        )
        Gauge(
            "artstore_render_oldest_waiting_seconds", "For how long the oldest of them waits", registry=registry
        ).set_function(self._age)

    async def follow(self) -> None:
        """For ever. While the queue cannot be counted they stay as they were."""
        while True:
            try:
                await self.refresh()
            except Exception as error:  # noqa: BLE001  whatever went wrong, the next look may go well
                _log.warning("the queue cannot be counted", reason=type(error).__name__)
            await asyncio.sleep(self._every)

    async def refresh(self) -> None:
        found = await self._count()
        self._oldest = found.oldest
        self._waiting.set(found.waiting)
        self._dead.set(found.dead)

    def _age(self) -> float:
        return 0.0 if self._oldest is None else max(0.0, (self._clock() - self._oldest).total_seconds())

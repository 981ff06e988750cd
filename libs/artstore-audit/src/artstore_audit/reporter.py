"""A bounded buffer of entries, and the task that empties it."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass

from artstore_kit.logs import get_logger
from prometheus_client import CollectorRegistry, Counter, Gauge

from artstore_audit.denials import Denials
from artstore_audit.entry import Entry

_log = get_logger(__name__)


class NotNow(Exception):
    """The entries could not be delivered and may be later."""


class Undeliverable(Exception):
    """The entries were refused, and would be again."""


Deliver = Callable[[Sequence[Entry]], Awaitable[None]]
"""Keeps all the entries for good, or raises NotNow or Undeliverable. The same entries may come again."""


@dataclass(frozen=True, slots=True)
class Bounds:
    """Seconds, but for the first two. `pauses`: between tries, from the first to the longest."""

    waiting: int = 10_000
    batch: int = 50
    pauses: tuple[float, float] = (1.0, 30.0)
    stop: float = 5.0


class Reporter:
    """Takes entries at once, always; delivers them when it can. What no longer fits is dropped and counted."""

    def __init__(self, deliver: Deliver, *, registry: CollectorRegistry, bounds: Bounds | None = None) -> None:
        self._deliver, self._bounds = deliver, bounds or Bounds()
        self._waiting: deque[Entry] = deque()
        self._came = asyncio.Event()
        gauge = Gauge("artstore_audit_entries_waiting", "Audit entries not sent yet", registry=registry)
        gauge.set_function(lambda: len(self._waiting))
        self._sent = Counter("artstore_audit_entries_sent_total", "Audit entries kept by admin", registry=registry)
        self._dropped = Counter(
            "artstore_audit_entries_dropped_total", "Audit entries lost", ["reason"], registry=registry
        )

    def report(self, entry: Entry) -> None:
        """Never waits, never raises."""
        if len(self._waiting) >= self._bounds.waiting:
            # The new one goes, not the oldest: a flood of refusals must not push out what it was to hide.
            self._dropped.labels("full").inc()
            return
        self._waiting.append(entry)
        self._came.set()

    async def run(self) -> None:
        """Until cancelled."""
        pause = self._bounds.pauses[0]
        while True:
            await self._came.wait()
            if await self._deliver_some():
                pause = self._bounds.pauses[0]
                continue
            await asyncio.sleep(pause)
            pause = min(pause * 2, self._bounds.pauses[1])

    async def finish(self) -> None:
        """Delivers what is left, if it can be done soon."""
        with suppress(TimeoutError):
            async with asyncio.timeout(self._bounds.stop):
                while self._waiting and await self._deliver_some():
                    pass
        if self._waiting:
            _log.warning("audit entries are lost: they could not be sent before the stop", entries=len(self._waiting))
            self._dropped.labels("stopped").inc(len(self._waiting))

    async def _deliver_some(self) -> bool:
        batch = [self._waiting[place] for place in range(min(self._bounds.batch, len(self._waiting)))]
        try:
            await self._deliver(batch)
        except NotNow as error:
            _log.warning("audit entries have to wait", entries=len(self._waiting), reason=str(error))
            return False
        except Undeliverable as error:
            _log.error("audit entries were refused", entries=len(batch), reason=str(error))
            self._dropped.labels("refused").inc(len(batch))
        except Exception:  # noqa: BLE001  said in the log, and tried again: the entries behind wait for the same loop
            _log.exception("audit entries could not be sent")
            return False
        else:
            self._sent.inc(len(batch))
        for _ in batch:
            self._waiting.popleft()
        if not self._waiting:
            self._came.clear()
        return True


@asynccontextmanager
async def reporting(reporter: Reporter, denials: Denials) -> AsyncIterator[None]:
    """For a lifespan: sends while the service runs, and what is left when it stops."""
    sending = asyncio.create_task(reporter.run(), name="audit")
    try:
        yield
    finally:
        sending.cancel()
        with suppress(asyncio.CancelledError):
            await sending
        denials.close()
        await reporter.finish()

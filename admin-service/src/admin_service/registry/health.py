"""Asking every element how it is, again and again (requirement R6)."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Callable, Sequence
from contextlib import AbstractAsyncContextManager
from datetime import timedelta
from functools import partial
from typing import Final

from artstore_core.elements import ElementStatus
from artstore_core.errors import ArtStoreError
from artstore_kit.logs import get_logger

from admin_service.identity.clock import Clock
from admin_service.registry.calls import AskInfo, ElementUnreachable
from admin_service.registry.elements import ElementRows, StorageElement

LOOKS_AT_ONCE: Final = 32

_log = get_logger(__name__)


class HealthPoller:
    """Unreachable means `offline`, never a reason to delete anything.

    Each element is looked at by itself: one that is slow, or that cannot be kept, delays no other one. Of several
    replicas the one that comes first asks; what it learns counts for all.
    """

    def __init__(
        self,
        rows: Callable[[], AbstractAsyncContextManager[ElementRows]],
        ask: AskInfo,
        clock: Clock,
        *,
        jitter: Callable[[], float] = random.random,
    ) -> None:
        self._rows, self._ask, self._clock, self._jitter = rows, ask, clock, jitter
        self._looking: dict[str, asyncio.Task[None]] = {}
        self._at_once = asyncio.Semaphore(LOOKS_AT_ONCE)
        self.known: Sequence[StorageElement] = ()
        """All elements as the last round found them."""

    async def run(self, every_seconds: float) -> None:
        """Until cancelled. The rounds of several replicas drift apart, so that they do not ask all at the same time."""
        try:
            while True:
                await self._round(every_seconds)
                await asyncio.sleep(every_seconds * (0.9 + 0.2 * self._jitter()))
        finally:
            for task in self._looking.values():
                task.cancel()
            await asyncio.gather(*self._looking.values(), return_exceptions=True)

    async def poll(self, fresh_seconds: float = 0) -> None:
        """One round: asks all that nobody asked within `fresh_seconds`, and waits until each has been looked at."""
        await self._begin(fresh_seconds)
        await asyncio.gather(*self._looking.values())

    async def _round(self, every_seconds: float) -> None:
        try:
            await self._begin(every_seconds / 2)
        except ArtStoreError as error:
            _log.warning("element health not kept", reason=error.message)
        except Exception:  # noqa: BLE001
            # Whatever it was: without this loop every element would keep its last state for ever.
            _log.exception("element health not kept")

    async def _begin(self, fresh_seconds: float) -> None:
        async with self._rows() as rows:
            self.known = await rows.every()
        now = self._clock()
        for element in self.known:
            # One that was asked in the future was asked by a clock that was wrong.
            age = timedelta.max if element.checked_at is None else abs(now - element.checked_at)
            if age >= timedelta(seconds=fresh_seconds) and element.storage_id not in self._looking:
                task = asyncio.create_task(self._look_and_keep(element))
                self._looking[element.storage_id] = task
                task.add_done_callback(partial(self._ended, element.storage_id))

    def _ended(self, storage_id: str, _task: asyncio.Task[None]) -> None:
        self._looking.pop(storage_id, None)

    async def _look_and_keep(self, element: StorageElement) -> None:
        try:
            async with self._at_once:
                seen = await self._look(element)
            async with self._rows() as rows:
                await rows.seen(seen)
        except ArtStoreError as error:
            _log.warning("element health not kept", storage_id=element.storage_id, reason=error.message)
        except Exception:  # noqa: BLE001
            _log.exception("element health not kept", storage_id=element.storage_id)

    async def _look(self, element: StorageElement) -> StorageElement:
        now = self._clock()
        try:
            info = await self._ask(element.url)
            if info.storage_id != element.storage_id:
                raise ElementUnreachable("another element answers there")
        except ElementUnreachable as error:
            if element.status is ElementStatus.ONLINE:
                _log.warning("element went offline", storage_id=element.storage_id, reason=error.message)
            return element.missed(error.message, now)
        return element.heard(info, now)

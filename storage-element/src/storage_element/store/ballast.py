"""Keeping the ballast: what a start on a full disk removes is made again once there is room."""

from __future__ import annotations

import asyncio
from contextlib import suppress
from typing import Protocol

from artstore_core.errors import ArtStoreError

from storage_element.store.element import Element
from storage_element.store.workers import Workers


class Ballast(Protocol):
    """`disk.ballast.Ballast` fulfils it."""

    def keep(self) -> None:
        """For a worker thread. Never raises."""
        ...


class KeepingBallast:
    """Looks as soon as the element is open, and then every `seconds`."""

    def __init__(self, ballast: Ballast, element: Element, workers: Workers, seconds: float = 60) -> None:
        self._ballast, self._element, self._workers, self._seconds = ballast, element, workers, seconds
        self._one_at_a_time = asyncio.Lock()

    async def run(self) -> None:
        """For ever."""
        while True:
            await self._element.opened.wait()
            await self.once()
            await asyncio.sleep(self._seconds)

    async def once(self) -> None:
        """Now, or not at all while the disk is away: another may lie there."""
        async with self._one_at_a_time:
            with suppress(ArtStoreError):
                await self._element.probe()
                await self._workers.run(self._ballast.keep)

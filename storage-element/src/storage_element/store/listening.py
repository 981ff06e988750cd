"""A request's body, as it is listened to: one that is silent for long makes way once somebody else comes."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator
from typing import Final

SILENT_SECONDS: Final = 5.0
"""A body that brought nothing for so long may be taken for one whose connection is dead, once somebody else comes."""
_END_SECONDS: Final = 10.0
"""How long the end of such a body may take: what came of it is flushed."""


class Listening:
    """Of one body after another."""

    def __init__(self) -> None:
        self._waiting: asyncio.Timeout | None = None
        self._since = 0.0
        self._over = asyncio.Event()

    def begin(self) -> None:
        self._over.clear()

    def end(self) -> None:
        """The request is done with."""
        self._over.set()

    async def heard(self, source: AsyncIterator[bytes]) -> AsyncIterator[bytes]:
        """The body, up to where `end_the_dead` ends it."""
        loop = asyncio.get_running_loop()
        while True:
            ended = False
            self._since = loop.time()
            try:
                async with asyncio.timeout(None) as self._waiting:
                    chunk = await anext(source, None)
            except TimeoutError:
                ended = self._waiting is not None and self._waiting.expired()
                if not ended:
                    raise
            finally:
                self._waiting = None
            if ended or chunk is None:
                return
            yield chunk

    async def end_the_dead(self) -> None:
        """Ends a request that waits for a body which has been silent for long: its client most likely lost its connection
        and is the one that asks now. One whose bytes still come is left alone, so that two clients cannot end each other
        for ever."""
        waiting, now = self._waiting, asyncio.get_running_loop().time()
        if waiting is not None and now - self._since >= SILENT_SECONDS:
            waiting.reschedule(now)
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(_END_SECONDS):
                    await self._over.wait()

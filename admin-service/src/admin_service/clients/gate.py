"""A cap on what runs and on what waits, element by element (requirement A11)."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Hashable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

from admin_service.registry.calls import ElementUnreachable


@dataclass(slots=True)
class _Door:
    free: asyncio.Semaphore
    inside: int = field(default=0)


class Gate:
    """At most `at_once` through each door, and `waiting` before it; who comes then is refused at once."""

    def __init__(self, at_once: int, waiting: int) -> None:
        self._at_once, self._room = at_once, at_once + waiting
        self._doors: dict[Hashable, _Door] = {}

    @asynccontextmanager
    async def through(self, door: Hashable) -> AsyncIterator[None]:
        """Raises ElementUnreachable."""
        here = self._doors.setdefault(door, _Door(asyncio.Semaphore(self._at_once)))
        if here.inside >= self._room:
            raise ElementUnreachable("too many calls to it are waiting")
        here.inside += 1
        try:
            async with here.free:
                yield
        finally:
            here.inside -= 1
            if not here.inside:
                self._doors.pop(door, None)

"""One look for all who ask for the same at the same time."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Generic, TypeVar

Key = TypeVar("Key")
Value = TypeVar("Value")


class Shared(Generic[Key, Value]):
    """Nothing is kept: who asks after the answer looks anew. A look goes on for as long as somebody waits for it."""

    def __init__(self) -> None:
        self._looks: dict[Key, tuple[asyncio.Task[Value], int]] = {}

    async def get(self, key: Key, look: Callable[[], Awaitable[Value]]) -> Value:
        """Raises what the look raises, to all of them."""
        task, waiting = self._looks.get(key, (None, 0))
        if task is None or task.done():
            task, waiting = asyncio.ensure_future(_run(look)), 0
        self._looks[key] = task, waiting + 1
        try:
            return await asyncio.shield(task)
        finally:
            self._leave(key, task)

    def _leave(self, key: Key, task: asyncio.Task[Value]) -> None:
        known, waiting = self._looks.get(key, (None, 0))
        if known is not task:
            return
        if waiting > 1:
            self._looks[key] = task, waiting - 1
            return
        del self._looks[key]
        task.cancel()  # does nothing to one that is done


async def _run(look: Callable[[], Awaitable[Value]]) -> Value:
    return await look()

"""Asking once more, for what passes by itself: an element that is being restarted."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import TypeVar

from artstore_core.errors import StorageUnavailable

T = TypeVar("T")


class NotNow(StorageUnavailable):
    """It may be otherwise in a moment."""


@dataclass(frozen=True, slots=True)
class Patience:
    """No new attempt after `seconds`, nor after so many `attempts`. Pauses double, from the first to the longest."""

    seconds: float
    attempts: int = 40
    first_pause: float = 0.1
    longest_pause: float = 1.0


async def persistently(ask: Callable[[], Awaitable[T]], patience: Patience, again: Callable[[], None]) -> T:
    """Raises the last NotNow when patience ends, and everything else at once. `again` hears of each new attempt."""
    now = asyncio.get_running_loop().time
    give_up = now() + patience.seconds
    pause = patience.first_pause
    for _ in range(1, patience.attempts):
        try:
            return await ask()
        except NotNow:
            # Not all at the same moment: hundreds of downloads may have been broken off at once.
            wait = random.uniform(pause / 2, pause)
            if now() + wait >= give_up:
                raise
        await asyncio.sleep(wait)
        again()
        pause = min(2 * pause, patience.longest_pause)
    return await ask()

"""A rate that is kept: bytes may be read ahead of it for a second's worth, and then have to be waited for."""

from __future__ import annotations

from collections.abc import Callable


class Pace:
    """`rate` in bytes a second. `monotonic` gives seconds."""

    def __init__(self, rate: float, monotonic: Callable[[], float]) -> None:
        self._rate, self._monotonic = rate, monotonic
        self._paid_until = monotonic()

    def owed(self, size: int) -> float:
        """How many seconds to wait now that so many more bytes were read."""
        now = self._monotonic()
        self._paid_until = max(self._paid_until, now - 1.0) + size / self._rate
        return max(self._paid_until - now, 0.0)

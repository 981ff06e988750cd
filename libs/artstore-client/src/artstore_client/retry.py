"""When to try again, and after how long. Everything here is bounded."""

from __future__ import annotations

import random
from dataclasses import dataclass

from artstore_client.errors import ApiError, ArtStoreClientError, ConnectionFailed, NotConnected

_TRANSIENT = frozenset({429, 502, 503, 504})
_WAITS = 16
"""For an attempt before that is still being dealt with: longer than the minute after which ArtStore takes it for dead."""
_NOTHING_DONE = frozenset({"NO_STORAGE_AVAILABLE", "ADMIN_UNAVAILABLE", "RATE_LIMITED"})


@dataclass(frozen=True, slots=True)
class RetryPolicy:
    """`attempts` counts the first one too. Pauses double from `base_seconds` to `cap_seconds`, with jitter.

    A server that asks for more than `longest_wait_seconds` (`Retry-After`) is not asked again: coming back sooner than
    it said would be rude, and waiting longer is the caller's decision.
    """

    attempts: int = 4
    base_seconds: float = 0.25
    cap_seconds: float = 10.0
    longest_wait_seconds: float = 60.0

    def back_off(self, failures: int) -> float:
        """Seconds to wait after that many failures in a row (1, 2, …): a random half of the doubled pause off."""
        pause = min(self.cap_seconds, self.base_seconds * 2.0 ** (failures - 1))
        return pause * random.uniform(0.5, 1.0)

    def pause_after(self, error: ArtStoreClientError, failures: int) -> float | None:
        """Seconds until the next attempt of a call that may be repeated; None when there should be none."""
        if failures >= self.attempts:
            return None
        if isinstance(error, ConnectionFailed):
            return self.back_off(failures)
        if not isinstance(error, ApiError) or error.status not in _TRANSIENT:
            return None
        if error.retry_after is None:
            return self.back_off(failures)
        if error.retry_after > self.longest_wait_seconds:
            return None
        return self._after(error.retry_after)

    def pause_in_flight(self, error: ArtStoreClientError, waits: int) -> float | None:
        """Seconds until a call with an Idempotency-Key asks again after an answer that says that an attempt before it is
        still being dealt with; None for other answers, and after so many `waits`."""
        if not isinstance(error, ApiError) or error.status != 409 or error.retry_after is None or waits >= _WAITS:
            return None
        return self._after(error.retry_after) if error.retry_after <= self.longest_wait_seconds else None

    def _after(self, seconds: float) -> float:
        """Never sooner than told; the jitter comes on top, so that all who were told the same do not return at once."""
        return seconds + random.uniform(0, self.base_seconds)


def nothing_done(error: ArtStoreClientError) -> bool:
    """Whether even a call that is not idempotent may be repeated: it was not heard, or refused before it did a thing."""
    if isinstance(error, ApiError):
        return error.status in (429, 503) and error.retry_after is not None and error.code in _NOTHING_DONE
    return isinstance(error, NotConnected)

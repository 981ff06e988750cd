"""For how long an upload bears with a bad line. Everything here is bounded."""

from __future__ import annotations

import time
from collections.abc import Awaitable, Callable

import anyio

from artstore_client.errors import ApiError, ArtStoreClientError, ConnectionFailed
from artstore_client.policy import UploadPolicy
from artstore_client.retry import RetryPolicy

_WEATHER = frozenset({408, 423, 429, 502, 503, 504})
"""The way there is broken, or another request is at work on the upload: it passes."""
_ODD = frozenset({404, 409, 410, 413, 460, 500, 507})
"""May be over when asked again (an upload that ran out and was begun anew, a proxy that takes smaller bodies, an offset that
moved), and mostly is not."""
_QUIET_SECONDS = 60.0

OnNote = Callable[[str], None]
"""Called with a line for people, on the event loop's thread: must not block."""


def passes(error: BaseException) -> bool:
    """Whether it tells of the weather, and not of the file."""
    return isinstance(error, ConnectionFailed) or (isinstance(error, ApiError) and error.status in _WEATHER)


class Pause:
    """Of one file. What 413, 429 and 5xx ask of all parts of an upload: the others stop, too, instead of hearing it one by one."""

    def __init__(
        self,
        clock: Callable[[], float] = time.monotonic,
        sleep: Callable[[float], Awaitable[None]] = anyio.sleep,
    ) -> None:
        self.clock, self.sleep = clock, sleep
        self._until = self._told_at = -float("inf")

    def worth_telling(self) -> bool:
        """People need not hear of it from each part."""
        if self.clock() - self._told_at < _QUIET_SECONDS:
            return False
        self._told_at = self.clock()
        return True

    def until(self, moment: float) -> None:
        self._until = max(self._until, moment)

    async def over(self) -> None:
        while (left := self._until - self.clock()) > 0:
            await self.sleep(left)


class Patience:
    """Of one part. `offline_seconds` may be more than the policy's, where the server has much to do."""

    def __init__(
        self,
        policy: UploadPolicy,
        retry: RetryPolicy,
        pause: Pause,
        *,
        offline_seconds: float | None = None,
        on_note: OnNote | None = None,
    ) -> None:
        self._retry, self._pause, self._on_note = retry, pause, on_note
        self._attempts = policy.attempts
        self._seconds = policy.offline_seconds if offline_seconds is None else offline_seconds
        self._failures = self._odd = 0
        self._since = pause.clock()

    def progressed(self) -> None:
        """Something was brought forward: all that failed before is forgotten."""
        self._failures = self._odd = 0
        self._since = self._pause.clock()

    async def after(self, error: ArtStoreClientError) -> None:
        """Waits until it is worth trying again. Raises the error where it is not, or has not been for too long."""
        self._failures += 1
        left = self._since + self._seconds - self._pause.clock()
        if not self._worth_it(error, left):
            raise error
        wait = self._retry.back_off(self._failures)
        if isinstance(error, ApiError):
            asked = error.retry_after or 0.0
            if asked > max(left, self._retry.longest_wait_seconds):
                raise error
            wait = max(wait, asked)
            if error.status in (413, 429) or error.status >= 500:
                self._pause.until(self._pause.clock() + wait)
        if self._on_note and passes(error) and self._pause.worth_telling():
            self._on_note(f"waiting: {error}")
        await self._pause.sleep(wait)

    def _worth_it(self, error: ArtStoreClientError, left: float) -> bool:
        if passes(error):
            return self._failures < self._attempts or left > 0
        # Counted by itself: after an hour of bad weather the first odd answer must not be the last.
        self._odd += 1
        return isinstance(error, ApiError) and error.status in _ODD and self._odd < self._attempts

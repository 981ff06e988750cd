"""What one account may ask at most, so that it leaves something for the others. Of this process alone."""

from __future__ import annotations

import asyncio
import math
import time
from collections import Counter
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from typing import Final
from weakref import WeakValueDictionary

from artstore_core.errors import RateLimited, StorageUnavailable
from cachetools import LRUCache

from query_service.metrics import QueryMetrics

MAX_ACCOUNTS: Final = 10_000
"""Known to the request rate. Of more, the one that asked longest ago begins anew."""
_BURST_SECONDS: Final = 2
_SLOT_RETRY_SECONDS: Final = 2
_TURN_SECONDS: Final = 2.0


class RequestRate:
    """A token bucket an account, as one number: the moment when it will be full again (GCRA, ITU-T I.371 annex A).

    `per_second` requests on average, twice as many at once; 0 is no limit.
    """

    def __init__(self, per_second: float, metrics: QueryMetrics, timer: Callable[[], float] = time.monotonic) -> None:
        self._per_second, self._timer = per_second, timer
        self._refused = metrics.limited.labels("requests")
        self._full_at: LRUCache[str, float] = LRUCache(maxsize=MAX_ACCOUNTS)

    def take(self, account: str) -> None:
        """Raises RateLimited, which says when there will be room again."""
        if not self._per_second:
            return
        now = self._timer()
        full_at = max(self._full_at.get(account, now), now) + 1 / self._per_second
        # A slow rate still lets one request through at a time.
        wait = full_at - now - max(_BURST_SECONDS, 1 / self._per_second)
        if wait > 1e-9:
            self._refused.inc()
            raise _limited("There were too many requests", math.ceil(wait))
        self._full_at[account] = full_at


class DownloadSlots:
    """Downloads under way at the same time, `most` an account; 0 is no limit. Knows only accounts that have one."""

    def __init__(self, most: int, metrics: QueryMetrics) -> None:
        self._most = most
        self._refused = metrics.limited.labels("downloads")
        self._taken: Counter[str] = Counter()

    @property
    def accounts(self) -> int:
        """How many have a download under way."""
        return len(self._taken)

    def take(self, account: str) -> Callable[[], None]:
        """Gives the way to let the slot go, which must be called once. Raises RateLimited."""
        if self._most and self._taken[account] >= self._most:
            self._refused.inc()
            raise _limited(f"There may be {self._most} downloads at a time", _SLOT_RETRY_SECONDS)
        self._taken[account] += 1
        return lambda: self._let_go(account)

    def _let_go(self, account: str) -> None:
        self._taken[account] -= 1
        if not self._taken[account]:
            del self._taken[account]


class SearchTurns:
    """Searches under way at the same time, `most` an account (0: no limit) and `in_all`. More wait, for `seconds`.

    A search may take as long as a statement may. Without turns one account could hold every connection to PostgreSQL, and
    several could leave none to look files up with.
    """

    def __init__(self, most: int, in_all: int, metrics: QueryMetrics, seconds: float = _TURN_SECONDS) -> None:
        self._most, self._seconds = most or in_all, seconds
        self._of_all = asyncio.Semaphore(in_all)
        self._refused = metrics.limited.labels("searches")
        # Known for as long as somebody holds or awaits a turn.
        self._turns: WeakValueDictionary[str, asyncio.Semaphore] = WeakValueDictionary()

    @property
    def accounts(self) -> int:
        """How many are known now."""
        return len(self._turns)

    @asynccontextmanager
    async def turn(self, account: str) -> AsyncIterator[None]:
        """Raises RateLimited where the account is at its limit, StorageUnavailable where all together are."""
        own = self._turns.setdefault(account, asyncio.Semaphore(self._most))
        async with AsyncExitStack() as held:
            if not await self._came(own, held):
                self._refused.inc()
                raise _limited(f"There may be {self._most} searches at a time", _SLOT_RETRY_SECONDS)
            if not await self._came(self._of_all, held):
                raise StorageUnavailable("There are too many searches now", retry_after=_SLOT_RETRY_SECONDS)
            yield

    async def _came(self, turns: asyncio.Semaphore, held: AsyncExitStack) -> bool:
        try:
            async with asyncio.timeout(self._seconds):
                await held.enter_async_context(turns)
        except TimeoutError:
            return False
        return True


def _limited(message: str, seconds: int) -> RateLimited:
    return RateLimited(message, headers={"Retry-After": str(seconds)})

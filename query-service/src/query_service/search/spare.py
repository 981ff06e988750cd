"""A read replica that is away is no reason not to search."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Final

from artstore_core.errors import StorageUnavailable

from query_service.search.cursor import Position
from query_service.search.request import SearchRequest
from query_service.search.service import Hits, Index, TookTooLong

REST_SECONDS: Final = 5.0


class WithSpare:
    """Asks `first`; where it cannot answer, `spare`, and then `spare` alone for a while.

    A search that took too long is not repeated: it would take as long there. A replica that lags says what was true a
    moment ago; one that gives up a statement because it has to catch up counts as away.
    """

    def __init__(self, first: Index, spare: Index, timer: Callable[[], float] = time.monotonic) -> None:
        self._first, self._spare, self._timer = first, spare, timer
        self._rests_until = -1.0

    async def search(
        self, request: SearchRequest, after: Position | None, limit: int, *, loosely: bool = False
    ) -> Hits:
        if self._timer() >= self._rests_until:
            try:
                return await self._first.search(request, after, limit, loosely=loosely)
            except TookTooLong:
                raise
            except StorageUnavailable:
                self._rests_until = self._timer() + REST_SECONDS
        return await self._spare.search(request, after, limit, loosely=loosely)

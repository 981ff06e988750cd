"""Reading an element's lists page after page: the next page is asked for while the last one is being written."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Awaitable, Callable
from typing import Final, TypeVar

from admin_service.registry.syncs import AnswerTooLong, SyncFailed

Key = TypeVar("Key")
Page = TypeVar("Page")

PAGE: Final = 1000
"""The most that a list gives (requirement A4)."""
_SHRINK: Final = 8


async def ahead(
    first: Key, fetch: Callable[[Key], Awaitable[Page]], following: Callable[[Page], Key | None]
) -> AsyncGenerator[Page, None]:
    """Close it (`contextlib.aclosing`): what was asked for and is not wanted any more is cancelled then."""
    asking = asyncio.ensure_future(fetch(first))
    try:
        while True:
            page = await asking
            key = following(page)
            if key is None:
                yield page
                return
            asking = asyncio.ensure_future(fetch(key))
            yield page
    finally:
        asking.cancel()
        await asyncio.gather(asking, return_exceptions=True)


class Limit:
    """How many files to ask for. Where an answer is too long for memory, fewer, from there on."""

    def __init__(self) -> None:
        self._limit = PAGE

    async def of(self, fetch: Callable[[int], Awaitable[bytes]]) -> bytes:
        """Raises SyncFailed where not even one file is short enough."""
        while True:
            try:
                return await fetch(self._limit)
            except AnswerTooLong:
                if self._limit == 1:
                    raise SyncFailed("what it says of a single file is too long") from None
                self._limit = max(1, self._limit // _SHRINK)

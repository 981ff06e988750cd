"""Files that are asked for again and again, kept in memory for some seconds (requirement Q5)."""

from __future__ import annotations

import asyncio
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Any, Final
from uuid import UUID

from cachetools import TTLCache

from query_service.files.lookup import Located, Registry
from query_service.metrics import QueryMetrics

_FIXED_BYTES: Final = 4096
"""Of one entry, whatever is in it: its objects, its numbers and dates, its places in the tables."""


@dataclass(frozen=True, slots=True)
class Bounds:
    """`seconds` 0: nothing is kept. Whichever of the other two is reached first, what was not asked for longest goes."""

    seconds: float
    entries: int
    size: int


@dataclass(slots=True)
class _Held:
    located: Located
    size: int
    seen: bool = False


class HotFiles:
    """A Registry that remembers. A file is looked up once, however many ask for it at the same time.

    `forget` and `forget_all` also reach a lookup that is under way: what it brings may be the state of before, so those
    who wait get it and nobody after them. What is not there is not remembered: it may come at any moment.
    """

    def __init__(
        self, registry: Registry, bounds: Bounds, metrics: QueryMetrics, timer: Callable[[], float] = time.monotonic
    ) -> None:
        self._registry, self._bounds, self._metrics = registry, bounds, metrics
        self._held: TTLCache[UUID, _Held] = TTLCache(
            maxsize=bounds.size, ttl=bounds.seconds, timer=timer, getsizeof=lambda held: held.size
        )
        self._under_way: dict[UUID, asyncio.Task[Located | None]] = {}
        metrics.watch_cache(lambda: len(self._held), lambda: int(self._held.currsize))

    async def get(self, file_id: UUID) -> Located | None:
        """Raises what the registry raises, unless the file is in memory."""
        held = self._held.get(file_id)
        if held is not None:
            self._metrics.cache_hits.inc()
            return held.located
        lookup = self._under_way.get(file_id)
        if lookup is None:
            self._metrics.cache_misses.inc()
            # A task of its own: whoever asked first may go away, and the others still wait for it.
            lookup = asyncio.create_task(self._look_up(file_id))
            self._under_way[file_id] = lookup
            lookup.add_done_callback(partial(self._found, file_id))
        return await asyncio.shield(lookup)

    def note_seen(self, file_id: UUID, located: Located) -> None:
        """The element said that it has the file, where it was said to be; kept as long as the entry is."""
        held = self._held.get(file_id)
        if held is not None and held.located is located:
            held.seen = True

    def was_seen(self, file_id: UUID) -> bool:
        held = self._held.get(file_id)
        return held is not None and held.seen

    def forget(self, file_id: UUID) -> None:
        self._held.pop(file_id, None)
        self._under_way.pop(file_id, None)

    def forget_all(self) -> None:
        self._held.clear()
        self._under_way.clear()

    async def _look_up(self, file_id: UUID) -> Located | None:
        return await self._registry.get(file_id)

    def _found(self, file_id: UUID, lookup: asyncio.Task[Located | None]) -> None:
        failed = lookup.cancelled() or lookup.exception() is not None
        if self._under_way.get(file_id) is not lookup:
            return
        del self._under_way[file_id]
        if not failed and (located := lookup.result()) is not None:
            self._keep(file_id, located)

    def _keep(self, file_id: UUID, located: Located) -> None:
        size = weigh(located)
        if size > self._bounds.size or not self._bounds.seconds:
            return
        while len(self._held) >= self._bounds.entries:
            self._held.popitem()
        self._held[file_id] = _Held(located, size)


def weigh(located: Located) -> int:
    """How many bytes of memory an entry takes, a little more rather than less."""
    file = located.file
    texts = (file.original_filename, file.content_type, file.checksum, file.uploaded_by, file.description)
    home = (located.home.storage_id, located.home.url)
    return _FIXED_BYTES + sum(_bytes(value) for value in (*texts, *home, file.tags, file.metadata))


def _bytes(value: Any) -> int:
    size = sys.getsizeof(value)
    if isinstance(value, dict):
        size += sum(_bytes(key) + _bytes(inner) for key, inner in value.items())
    elif isinstance(value, list):
        size += sum(_bytes(inner) for inner in value)
    return size

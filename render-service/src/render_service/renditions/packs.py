"""Tiles out of packed pyramids, with what is needed to find them kept in memory."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Coroutine
from dataclasses import dataclass
from typing import Any, Final, TypeVar
from uuid import UUID

from artstore_core.errors import NotFound
from artstore_transfer import ByteRange
from cachetools import LRUCache, TTLCache

from render_service.decoders.tiles import ENTRY, FOOT, Foot, Pyramid, entry
from render_service.renditions.pyramid import Tile
from render_service.renditions.rendition import Kept
from render_service.renditions.store import Missing, RenditionStore
from render_service.renditions.viewing import Viewing

T = TypeVar("T")

_INDEX_BYTES: Final = 64 * 1024 * 1024
_VIEWS: Final = 4096
_VIEW_SECONDS: Final = 5.0
"""For so long a view that has ended, and a file that was deleted, may still be seen."""
_LOCKS: Final = 64


@dataclass(frozen=True, slots=True)
class Pack:
    pyramid: Pyramid
    index: bytes

    def place(self, tile: Tile) -> ByteRange:
        """Where the tile's bytes are. Raises NotFound."""
        number = self.pyramid.number(tile.level, tile.column, tile.row)
        if number is None:
            raise NotFound("There is no such tile")
        offset, length = entry(self.index, number)
        return ByteRange(offset, offset + length)


class Packs:
    def __init__(self, viewing: Viewing, store: RenditionStore, timer: Callable[[], float] = time.monotonic) -> None:
        self._viewing, self._store = viewing, store
        self._packs: LRUCache[UUID, Pack] = LRUCache(_INDEX_BYTES, getsizeof=lambda pack: len(pack.index) + 200)
        self._views: TTLCache[tuple[str, UUID], Kept] = TTLCache(_VIEWS, _VIEW_SECONDS, timer)
        self._locks = [asyncio.Lock() for _ in range(_LOCKS)]

    async def find(self, segment: str, file_id: UUID) -> tuple[Kept, Pack]:
        """What a path leads to. Raises Unauthorized, and StorageUnavailable when the tiles are lost or away."""
        kept = self._views.get((segment, file_id))
        if kept is None:
            kept = await self._viewing.viewed(segment, file_id)
            self._views[segment, file_id] = kept
        # A viewer asks for a dozen tiles at once: the index is read for the first of them.
        async with self._locks[kept.rendition.id.int % _LOCKS]:
            pack = self._packs.get(kept.rendition.id)
            if pack is None:
                pack = self._packs[kept.rendition.id] = await self._guarded(kept, segment, self._read(kept))
        return kept, pack

    async def tile(self, segment: str, kept: Kept, pack: Pack, tile: Tile) -> bytes:
        """Raises NotFound, and StorageUnavailable when the tiles are lost or away."""
        return await self._guarded(kept, segment, self._bytes(kept, pack.place(tile)))

    async def _read(self, kept: Kept) -> Pack:
        size = kept.rendition.size
        foot = Foot.parse(await self._bytes(kept, ByteRange(max(size - FOOT.size, 0), size)), size)
        end = foot.index_offset + foot.pyramid.tiles * ENTRY.size
        return Pack(foot.pyramid, await self._bytes(kept, ByteRange(foot.index_offset, end)))

    async def _bytes(self, kept: Kept, part: ByteRange) -> bytes:
        found = b"".join([piece async for piece in self._store.read(kept.rendition.key, part)])
        if len(found) != part.length:
            raise Missing(kept.rendition.key)
        return found

    async def _guarded(self, kept: Kept, segment: str, reading: Coroutine[Any, Any, T]) -> T:
        try:
            return await reading
        except (Missing, ValueError):
            self._views.pop((segment, kept.file_id), None)
            self._packs.pop(kept.rendition.id, None)
            raise await self._viewing.lost(kept) from None

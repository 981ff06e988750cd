"""The bytes of small files that are asked for again and again."""

from __future__ import annotations

from dataclasses import dataclass
from hashlib import sha256
from uuid import UUID

from artstore_core.errors import UpstreamFailed
from cachetools import LRUCache

from query_service.files.lookup import Located

_FIXED_BYTES = 256
"""Of one entry, beside its bytes."""


@dataclass(frozen=True, slots=True)
class _Held:
    located: Located
    content: bytes


class HotContents:
    """Bytes of files of up to `largest`, `size` in all; what was not asked for longest goes first.

    They count only with the very entry of files.hot with which they were read: what ends that (its seconds, an event) ends
    them, and their element is asked again.
    """

    def __init__(self, size: int, largest: int) -> None:
        self.largest = min(largest, size - _FIXED_BYTES)
        self._held: LRUCache[UUID, _Held] = LRUCache(
            maxsize=max(size, 1), getsizeof=lambda held: len(held.content) + _FIXED_BYTES
        )

    @property
    def size(self) -> int:
        """Bytes."""
        return int(self._held.currsize)

    def get(self, located: Located) -> bytes | None:
        file_id = located.file.file_id
        held = self._held.get(file_id)
        if held is None:
            return None
        if held.located is not located:
            del self._held[file_id]
            return None
        return held.content

    def keep(self, located: Located, content: bytes) -> None:
        """Raises UpstreamFailed for other bytes than were stored: they are at hand here, so they are looked at."""
        if sha256(content).hexdigest() != located.file.checksum:
            raise UpstreamFailed("The storage element gave other bytes than were stored")
        self._held[located.file.file_id] = _Held(located, content)

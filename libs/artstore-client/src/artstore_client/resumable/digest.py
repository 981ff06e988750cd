"""The SHA-256 of a file that is being sent, taken once and close behind the sending."""

from __future__ import annotations

import hashlib

import anyio
from anyio.to_thread import run_sync

from artstore_client.source import PIECE, Source


class Digest:
    """Bytes must be hashed from front to back, and parts are sent side by side: so the hash follows the sending, through
    bytes that the system has just read for it and still has in memory. Never ahead of it, or a large file would be read
    from the disk twice."""

    def __init__(self, source: Source) -> None:
        self._source = source
        self._hash = hashlib.sha256()
        self._position = 0
        self._frontier = 0
        self._moved = anyio.Event()

    def may_reach(self, offset: int) -> None:
        """What stands before it was sent, or will not be sent again."""
        if offset > self._frontier:
            self._frontier = offset
            self._moved.set()
            self._moved = anyio.Event()

    async def follow(self, size: int) -> None:
        """Hashes up to `size`. Raises SourceChanged where the file ends before."""
        while self._position < size:
            if self._position >= self._frontier:
                await self._moved.wait()
                continue
            length = min(PIECE, self._frontier - self._position)
            await run_sync(self._take, length)

    async def feed(self, offset: int, piece: bytes) -> None:
        """For one stream, whose bytes come in order: they are hashed from memory. `follow` takes what is missing."""
        if offset <= self._position < offset + len(piece):
            await run_sync(self._hash.update, piece[self._position - offset :])
            self._position = offset + len(piece)

    def hexdigest(self) -> str:
        return self._hash.hexdigest()

    def _take(self, length: int) -> None:
        piece = self._source.read_at(self._position, length)
        self._hash.update(piece)
        self._position += len(piece)

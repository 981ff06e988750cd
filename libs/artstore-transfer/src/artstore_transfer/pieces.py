"""Joining what the network brings into pieces that are worth a write, a hash or a send."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator
from io import BytesIO
from typing import Final

PIECE: Final = 1024 * 1024


async def pieces(
    source: AsyncIterator[bytes], size: int = PIECE, patience: float | None = None
) -> AsyncGenerator[bytes, None]:
    """The same bytes in pieces of at least `size` bytes (the last may be shorter, none is empty).

    Holds at most `size` bytes and one chunk, however small the chunks are. The source is read only when the next piece
    is asked for, so back-pressure reaches the sender; a chunk that is large enough by itself is passed on uncopied.

    With `patience` a piece that was asked for so many seconds ago is as large as what is there, or as the next chunk:
    whoever it is sent to hears from a slow sender as often as the sender is heard. A read of one chunk may then be
    under way between two pieces; it ends with this generator, so close that (`aclosing`).
    """
    joining = _Joining(source, size)
    if patience is None:
        while piece := await joining.whole():
            yield piece
        return
    try:
        while piece := await joining.within(patience):
            yield piece
    finally:
        await joining.stop()


class _Joining:
    """Pieces on demand; an empty one is the end."""

    def __init__(self, source: AsyncIterator[bytes], size: int) -> None:
        self._source, self._size = source, size
        # BytesIO hands out its buffer without a copy once it is full, so each byte is copied once on its way.
        self._joined, self._held = BytesIO(), 0
        self._large: bytes | None = None
        self._wanted = 0
        self._reading: asyncio.Task[None] | None = None

    async def whole(self) -> bytes:
        self._wanted = self._size
        await self._read()
        return self._take()

    async def within(self, patience: float) -> bytes:
        self._wanted = self._size
        # A task for each piece and not for each chunk: at 64 KiB a chunk that would cost more than the joining.
        # One that waits for its chunk since the last piece goes on with what is wanted now.
        if self._reading is None or self._reading.done():
            self._settle()
            self._reading = asyncio.create_task(self._read())
        await asyncio.wait({self._reading}, timeout=patience)
        if not self._reading.done() and not self._held:
            self._wanted = 1
            await asyncio.wait({self._reading})
        if self._reading.done():
            self._settle()
        self._wanted = 0
        return self._take()

    async def stop(self) -> None:
        if self._reading is not None:
            self._reading.cancel()
            await asyncio.wait({self._reading})
            if not self._reading.cancelled():
                self._reading.exception()  # seen: nobody is left to hear of it

    def _settle(self) -> None:
        """Raises what the source raised."""
        if self._reading is not None:
            done, self._reading = self._reading, None
            done.result()

    async def _read(self) -> None:
        """Reads until there is what is wanted, or to the end."""
        if self._held >= self._wanted:
            return
        async for chunk in self._source:
            if not self._held and len(chunk) >= self._size:
                self._large = chunk
            else:
                self._joined.write(chunk)
            self._held += len(chunk)
            if self._held >= self._wanted:
                return

    def _take(self) -> bytes:
        piece = self._large if self._large is not None else self._joined.getvalue()
        if self._held and self._large is None:
            self._joined = BytesIO()
        self._large, self._held = None, 0
        return piece

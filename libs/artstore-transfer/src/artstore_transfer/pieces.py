"""Joining what the network brings into pieces that are worth a write, a hash or a send."""

from __future__ import annotations

from collections.abc import AsyncGenerator, AsyncIterator
from io import BytesIO
from typing import Final

PIECE: Final = 1024 * 1024


async def pieces(source: AsyncIterator[bytes], size: int = PIECE) -> AsyncGenerator[bytes, None]:
    """The same bytes in pieces of at least `size` bytes (the last may be shorter, none is empty).

    Holds at most `size` bytes and one chunk, however small the chunks are. The source is read only when the next piece
    is asked for, so back-pressure reaches the sender; a chunk that is large enough by itself is passed on uncopied.
    """
    # BytesIO hands out its buffer without a copy once it is full, so each byte is copied once on its way.
    joined, held = BytesIO(), 0
    async for chunk in source:
        if not held and len(chunk) >= size:
            yield chunk
            continue
        joined.write(chunk)
        held += len(chunk)
        if held >= size:
            piece = joined.getvalue()
            joined, held = BytesIO(), 0
            yield piece
    if held:
        yield joined.getvalue()

"""Receiving bytes: limits checked before and while they stream, the disk kept busy, memory bounded.

One batch (1 MiB) is written and hashed in a worker thread while the next is being read from the network; the client is
read no faster than the disk takes it. What the network brings in large chunks is never joined: a batch is a list of
them, because the event loop, which each byte passes through, is what limits an upload. To hash in a second thread
beside the writing gained nothing where client and element share two cores.

Every so often what was written is flushed beside the writing: the kernel would otherwise let a large file pile up in
memory and write all of it in the last fsync, while the network waits.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import aclosing, suppress
from dataclasses import dataclass
from typing import Final, Protocol

from artstore_core.errors import ArtStoreError, FileTooLarge
from artstore_kit.spans import span
from artstore_transfer import PIECE, pieces

from storage_element.store.workers import Workers, settled

FLUSH_EVERY_BYTES: Final = 32 * 1024 * 1024
CHUNK_BYTES: Final = 64 * 1024
"""What comes in smaller chunks is joined to such: each is a call to the disk."""


@dataclass(frozen=True, slots=True)
class BodyChecksum:
    """What a client says its body hashes to: hashlib's name of the algorithm, and hex."""

    algorithm: str
    digest: str


Grow = Callable[[int], Awaitable[None]]
"""Makes sure of room for so many bytes of the file in all. Raises StorageFull."""


Flushed = Callable[[int], Awaitable[None]]
"""Hears, now and then, how many bytes of the file in all are flushed."""


@dataclass(frozen=True, slots=True)
class Body:
    """A request's body: `length` in bytes where the client said it, and the bytes as they come."""

    source: AsyncIterator[bytes]
    length: int | None


class Takes(Protocol):
    """What bytes are received into. `flush` may run beside `write`."""

    @property
    def size(self) -> int: ...

    def write(self, piece: bytes) -> None: ...

    def flush(self) -> None: ...


class Receiver:
    """Takes one body into one writer."""

    def __init__(
        self, writer: Takes, workers: Workers, *, most: int, grow: Grow, flushed: Flushed | None = None
    ) -> None:
        self._writer, self._workers, self._most, self._grow, self._tell = writer, workers, most, grow, flushed
        self._write: asyncio.Future[None] | None = None
        self._flush: asyncio.Future[None] | None = None
        self._flushed = writer.size

    async def take(self, source: AsyncIterator[bytes]) -> None:
        """Writes all of it. Raises FileTooLarge past `most` bytes of the file, and whatever the source, the disk and
        `grow` raise; no thread is at work on the writer any more when this ends, however it ends.
        """
        with span("receive, hash, write") as measured:
            before = self._writer.size
            try:
                async with aclosing(pieces(source, CHUNK_BYTES)) as joined:
                    await self._write_all(joined)
            except BaseException:
                # What went wrong first is what the client hears of; a thread's trouble that followed from it is not.
                with suppress(ArtStoreError):
                    await self._settle()
                raise
            await self._settle()
            measured.set_attribute("artstore.bytes", self._writer.size - before)

    async def _write_all(self, joined: AsyncIterator[bytes]) -> None:
        expected = self._writer.size
        chunks: list[bytes] = []
        held = 0
        async for chunk in joined:
            chunks.append(chunk)
            held += len(chunk)
            if expected + held > self._most:
                raise too_large(self._most)
            if held >= PIECE:
                expected += held
                await self._write_next(chunks, expected)
                chunks, held = [], 0
        if chunks:
            await self._write_next(chunks, expected + held)

    async def _write_next(self, chunks: list[bytes], expected: int) -> None:
        await self._grow(expected)
        await self._written()
        self._write = self._workers.start(self._write_in_thread, chunks)
        await self._flush_beside()

    def _write_in_thread(self, chunks: list[bytes]) -> None:
        for chunk in chunks:
            self._writer.write(chunk)

    async def _written(self) -> None:
        if self._write is not None:
            under_way, self._write = self._write, None
            await settled(under_way)

    async def _flush_beside(self) -> None:
        if self._flush is not None and self._flush.done():
            flushed, self._flush = self._flush, None
            flushed.result()
            if self._tell is not None:
                await self._tell(self._flushed)
        if self._flush is None and self._writer.size - self._flushed >= FLUSH_EVERY_BYTES:
            self._flushed = self._writer.size
            self._flush = self._workers.start(self._writer.flush)

    async def _settle(self) -> None:
        """Waits for both threads, then tells of the first error."""
        under_way = [settled(future) for future in (self._write, self._flush) if future is not None]
        self._write = self._flush = None
        for outcome in await asyncio.gather(*under_way, return_exceptions=True):
            if isinstance(outcome, BaseException):
                raise outcome


async def collect(body: Body) -> bytes:
    """All of a small body, whose length is known and was checked. Raises what the source raises."""
    with span("receive", {"artstore.bytes": body.length or 0}):
        chunks = [chunk async for chunk in body.source]
    return chunks[0] if len(chunks) == 1 else b"".join(chunks)


def too_large(most: int) -> FileTooLarge:
    return FileTooLarge(f"The file is larger than {most} bytes.")

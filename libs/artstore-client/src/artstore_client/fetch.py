"""One file's bytes, over as many connections as it takes: a break is mended with Range and If-Range (RFC 9110 §13.1.5)."""

from __future__ import annotations

import re
from collections.abc import AsyncGenerator, AsyncIterator

import anyio
import httpx

from artstore_client.errors import ConnectionFailed, IntegrityError, ProtocolError
from artstore_client.names import from_disposition
from artstore_client.source import PIECE, OnProgress
from artstore_client.transport import Call, Transport

_ETAG = re.compile(r'"([0-9a-f]{64})"')
_CONTENT_RANGE = re.compile(r"bytes (\d+)-(\d+)/(\d+)")


class Fetch:
    """Use `pieces` once. `size`, `checksum` and `offered_name` are known when it ends."""

    def __init__(self, transport: Transport, path: str, on_progress: OnProgress | None = None) -> None:
        self._transport = transport
        self._path = path
        self._on_progress = on_progress
        self.received = 0
        self.size: int | None = None
        self.checksum: str | None = None
        self.offered_name: str | None = None

    async def pieces(self) -> AsyncGenerator[bytes, None]:
        """All bytes in order, in pieces of about 1 MiB. Raises as Transport.stream, and IntegrityError.

        Breaks are bounded: `retry.attempts` of them, and one more for each MiB that came, so that a poor link gets
        through and a dead one does not hold us for ever.
        """
        breaks, stalled = 0, 0
        while True:
            before = self.received
            try:
                async with self._transport.stream(self._call()) as response:
                    skip = self._accept(response)
                    async for piece in joined(response, self._path):
                        fresh, skip = piece[skip:], max(0, skip - len(piece))
                        if fresh:
                            self._count(fresh)
                            yield fresh
                if self.received == self.size:
                    return
                raise ConnectionFailed(f"{self._path}: ended after {self.received} of {self.size} bytes")
            except ConnectionFailed:
                if self.size is not None and self.received == self.size:
                    return
                breaks += 1
                stalled = 1 if self.received > before else stalled + 1
                allowed = self._transport.retry.attempts + self.received // PIECE
                if self.size is None or stalled >= self._transport.retry.attempts or breaks > allowed:
                    raise
            await anyio.sleep(self._transport.retry.back_off(stalled))

    def _call(self) -> Call:
        headers = {}
        if self.received:
            # If-Range: should the file be another one meanwhile, the answer is 200 and not a splice of two files.
            headers = {"Range": f"bytes={self.received}-", "If-Range": f'"{self.checksum}"'}
        return Call("GET", self._path, headers=headers)

    def _accept(self, response: httpx.Response) -> int:
        """Reads the head; returns how many bytes of the body to skip. Raises IntegrityError, ProtocolError."""
        etag = _ETAG.fullmatch(response.headers.get("etag", ""))
        if not etag:
            raise ProtocolError("the server sent no checksum (a strong ETag) to check the file against")
        if self.checksum not in (None, etag[1]):
            raise IntegrityError("the file changed while it was downloaded")
        self.checksum = etag[1]
        if self.offered_name is None:
            self.offered_name = from_disposition(response.headers.get("content-disposition", ""))
        if response.status_code == 206:
            self._accept_range(response.headers.get("content-range", ""))
            return 0
        self.size = _length(response, self.size)
        return self.received  # a whole answer to a Range: this path knows no ranges

    def _accept_range(self, value: str) -> None:
        match = _CONTENT_RANGE.fullmatch(value)
        if not match or int(match[1]) != self.received or int(match[3]) != self.size:
            raise ProtocolError(f"asked for bytes from {self.received}, got {value or 'no Content-Range'}")

    def _count(self, piece: bytes) -> None:
        self.received += len(piece)
        if self.size is not None and self.received > self.size:
            raise IntegrityError(f"more than the {self.size} bytes that were announced")
        if self._on_progress:
            self._on_progress(self.received, self.size)


def _length(response: httpx.Response, known: int | None) -> int:
    value = response.headers.get("content-length", "")
    if not value.isdecimal() or known not in (None, int(value)):
        raise ProtocolError("the server did not say how long the file is")
    return int(value)


async def joined(response: httpx.Response, what: str) -> AsyncIterator[bytes]:
    """The body in pieces of about 1 MiB: the network gives 64 KiB at a time, and each would cost a thread switch.

    What came before a break is given out first, then ConnectionFailed is raised: on a link that breaks every half a
    megabyte, throwing it away would mean never to arrive.
    """
    pieces: list[bytes] = []
    broken: httpx.TransportError | None = None
    try:
        async for piece in response.aiter_raw():
            pieces.append(piece)
            if sum(map(len, pieces)) >= PIECE:
                yield b"".join(pieces)
                pieces.clear()
    except httpx.TransportError as error:
        broken = error
    if pieces:
        yield b"".join(pieces)
    if broken:
        raise ConnectionFailed(f"{what}: {str(broken) or type(broken).__name__}") from broken

"""One connection of a client: requests out, responses in, one at a time (RFC 9112)."""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import AsyncIterator, Callable
from http import HTTPStatus
from typing import Final, NamedTuple, cast

import httptools
import httpx

_BUFFER_BYTES: Final = 256 * 1024
"""Of a body that nobody has asked for yet; then the connection is not read any more."""
_GOODBYE_SECONDS: Final = 5.0
"""For what was written, and for TLS's own end; a side that does not take it by then gets no more."""
_MAX_BARE_BYTES: Final = 64 * 1024
"""A head; and of a body in chunks what comes in a row that is no body: trailers, extensions of chunks."""
_WITHOUT_BODY: Final = frozenset({HTTPStatus.NO_CONTENT, HTTPStatus.NOT_MODIFIED})
_UNFIT: Final = (b"\r", b"\n", b"\0")

Headers = list[tuple[bytes, bytes]]


class Head(NamedTuple):
    status: int
    reason: bytes
    headers: Headers


async def connected(
    host: str, port: int, context: ssl.SSLContext | None, seconds: float | None, lost: Callable[[Connection], None]
) -> Connection:
    """`lost` hears of its end. Raises httpx.ConnectError, httpx.ConnectTimeout."""
    loop = asyncio.get_running_loop()
    try:
        async with asyncio.timeout(seconds):
            name = host if context is not None else None
            _, connection = await loop.create_connection(
                lambda: Connection(lost), host, port, ssl=context, server_hostname=name
            )
    except TimeoutError as error:
        raise httpx.ConnectTimeout("The connection was not made in time") from error
    except OSError as error:  # ssl.SSLError is one
        raise httpx.ConnectError(str(error)) from error
    return connection


class Connection(asyncio.Protocol):
    """Errors are those of httpx: WriteTimeout, ReadTimeout, ReadError, RemoteProtocolError, LocalProtocolError."""

    def __init__(self, lost: Callable[[Connection], None]) -> None:
        self._on_lost = lost
        self._transport: asyncio.Transport
        self._goodbye: asyncio.TimerHandle | None = None
        self._woken = asyncio.Event()
        self._writable = asyncio.Event()
        self._writable.set()
        self._lost = False
        self._error: Exception | None = None
        self._busy = False
        self._sent = True
        self._head: Head | None = None
        self._headers: Headers = []
        self._chunks: list[bytes] = []
        self._bare_bytes = self._held = 0
        self._complete = self._keeps_alive = self._ends_with_connection = self._is_head_request = False
        self._forget_answer()

    # What is asked of it ---------------------------------------------------------------------------------------------

    @property
    def is_idle(self) -> bool:
        return not (self._lost or self._busy)

    def finish(self) -> bool:
        """Whether it may be used again: all was sent, all came and was read, and the other side goes on. Idle then."""
        kept = self._complete and self._sent and self._keeps_alive and not self._lost and not self._chunks
        self._busy = not kept
        return kept

    def close(self) -> None:
        """What was written still goes out: the other side may keep what it got of a body that breaks off here."""
        if not self._lost and self._goodbye is None:
            self._transport.close()
            self._goodbye = asyncio.get_running_loop().call_later(_GOODBYE_SECONDS, self.abort)

    def abort(self) -> None:
        self._transport.abort()

    async def send(self, request: httpx.Request, seconds: float | None) -> None:
        """A side that closes before it has read all may have answered: `head` tells."""
        self._busy, self._sent = True, False
        self._forget_answer()
        self._is_head_request = request.method == "HEAD"
        head, chunked, length = _request_head(request)
        if isinstance(request.stream, httpx.ByteStream):
            body = b"".join(request.stream)
            _check_length(len(body), length)
            self._transport.write(head + body)
        else:
            self._transport.write(head)
            stream = cast("httpx.AsyncByteStream", request.stream)
            await self._send_stream(aiter(stream), chunked, length, seconds)
        await self._drained(seconds)
        self._sent = not self._lost

    async def head(self, seconds: float | None) -> Head:
        while self._head is None:
            await self._more(seconds)
        return self._head

    async def read(self, seconds: float | None) -> bytes:
        """What has come of the body; empty at its end."""
        while not self._chunks:
            if self._complete:
                return b""
            await self._more(seconds)
        content = self._chunks[0] if len(self._chunks) == 1 else b"".join(self._chunks)
        self._chunks.clear()
        if self._held >= _BUFFER_BYTES:
            self._transport.resume_reading()
        self._held = 0
        return content

    # asyncio.Protocol ------------------------------------------------------------------------------------------------

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.Transport", transport)

    def data_received(self, data: bytes) -> None:
        if not self._busy or self._complete:
            return self.abort()  # nobody asked for this
        self._bare_bytes += len(data)
        try:
            self._parser.feed_data(data)
            if self._bare_bytes > _MAX_BARE_BYTES:
                raise httptools.HttpParserError("too much that is no body")
        except httptools.HttpParserError as error:
            self._error = httpx.RemoteProtocolError(str(error) or type(error).__name__)
            self.abort()
        self._woken.set()
        return None

    def eof_received(self) -> None:
        if self._head is not None and self._ends_with_connection:
            self._complete = True

    def connection_lost(self, error: Exception | None) -> None:
        self._lost = True
        if self._goodbye is not None:
            self._goodbye.cancel()
        if self._error is None:
            self._error = (
                httpx.RemoteProtocolError("The server closed the connection before its answer was whole")
                if error is None
                else httpx.ReadError(str(error))
            )
        self._woken.set()
        self._writable.set()
        self._on_lost(self)

    def pause_writing(self) -> None:
        self._writable.clear()

    def resume_writing(self) -> None:
        self._writable.set()

    # httptools -------------------------------------------------------------------------------------------------------

    def on_status(self, reason: bytes) -> None:
        self._reason += reason

    def on_header(self, name: bytes, value: bytes) -> None:
        if self._head is None:  # trailers are not read: they must not pass for headers (RFC 9110 §6.5.1)
            self._headers.append((name, value))

    def on_headers_complete(self) -> None:
        status = self._parser.get_status_code()
        if status < HTTPStatus.OK:  # 100 Continue and the like: the answer is still to come
            self._headers, self._reason = [], b""
            return
        self._keeps_alive = self._parser.should_keep_alive()
        names = {name.lower() for name, _ in self._headers}
        bodiless = self._is_head_request or status in _WITHOUT_BODY
        self._ends_with_connection = not bodiless and not names & {b"content-length", b"transfer-encoding"}
        self._complete = bodiless
        self._bare_bytes = 0
        self._head = Head(status, self._reason, self._headers)

    def on_body(self, chunk: bytes) -> None:
        self._chunks.append(chunk)
        self._bare_bytes = 0
        before, self._held = self._held, self._held + len(chunk)
        if before < _BUFFER_BYTES <= self._held:
            self._transport.pause_reading()

    def on_message_complete(self) -> None:
        if self._head is not None:
            self._complete = True

    # -----------------------------------------------------------------------------------------------------------------

    def _forget_answer(self) -> None:
        self._parser = httptools.HttpResponseParser(self)
        self._head, self._headers, self._chunks = None, [], []
        self._bare_bytes, self._reason, self._held = 0, b"", 0
        self._complete = self._keeps_alive = self._ends_with_connection = self._is_head_request = False

    async def _more(self, seconds: float | None) -> None:
        if self._error is not None:
            raise self._error
        self._woken.clear()
        try:
            async with asyncio.timeout(seconds):
                await self._woken.wait()
        except TimeoutError as error:
            raise httpx.ReadTimeout("Nothing came in time") from error

    async def _drained(self, seconds: float | None) -> None:
        if self._writable.is_set():
            return
        try:
            async with asyncio.timeout(seconds):
                await self._writable.wait()
        except TimeoutError as error:
            raise httpx.WriteTimeout("Nothing could be sent in time") from error

    async def _send_stream(
        self, chunks: AsyncIterator[bytes], chunked: bool, length: int | None, seconds: float | None
    ) -> None:
        sent = 0
        async for chunk in chunks:
            if self._lost or self._transport.is_closing():
                return
            if not chunk:
                continue
            sent += len(chunk)
            if length is not None and sent > length:
                _check_length(sent, length)
            self._transport.writelines([b"%x\r\n" % len(chunk), chunk, b"\r\n"] if chunked else [chunk])
            await self._drained(seconds)
        _check_length(sent, length)
        if chunked and not self._lost:
            self._transport.write(b"0\r\n\r\n")


def _request_head(request: httpx.Request) -> tuple[bytes, bool, int | None]:
    """The head's bytes, whether the body is chunked, and its length where that is said."""
    chunked, length = False, None
    lines = [request.method.encode("ascii") + b" " + request.url.raw_path + b" HTTP/1.1"]
    for name, value in request.headers.raw:
        if any(unfit in value or unfit in name for unfit in _UNFIT):
            raise httpx.LocalProtocolError("A header cannot be sent as it is")
        lowered = name.lower()
        if lowered == b"transfer-encoding":
            chunked = True
        elif lowered == b"content-length":
            length = int(value)
        lines.append(name + b": " + value)
    return b"\r\n".join([*lines, b"", b""]), chunked, None if chunked else length or 0


def _check_length(sent: int, length: int | None) -> None:
    if length is not None and sent != length:
        raise httpx.LocalProtocolError(f"The body has {sent} bytes where {length} were announced")

"""uvicorn's HTTP/1.1 protocol with two bounds that it lacks: how long a head may be, and how long it may take.

A storage element faces the WAN: without these, one connection that sends headers for ever fills the memory, and one that
sends nothing holds its place for ever, before any token is asked for. What surrounds a body in chunks is bounded like the
head: trailers are kept in memory too (RFC 9112 §7.1.2).
"""

from __future__ import annotations

import asyncio
from typing import Any

from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

MAX_HEAD_BYTES = 512 * 1024
"""Request line and headers. `Artstore-Metadata` alone may be some hundred KiB. And what comes in a row of a body in chunks
that is no body: trailers, extensions of chunks."""
HEAD_SECONDS = 15.0


def _answer(status: bytes, message: bytes) -> bytes:
    body = b'{"error":{"code":"VALIDATION_ERROR","message":"%s"}}' % message
    head = b"HTTP/1.1 %s\r\ncontent-type: application/json\r\nconnection: close\r\ncontent-length: %d\r\n\r\n"
    return head % (status, len(body)) + body


TOO_LARGE = _answer(b"431 Request Header Fields Too Large", b"The head of the request is too long")
NO_HTTP = _answer(b"400 Bad Request", b"This is no HTTP/1.1 request")


class BoundedHttpProtocol(HttpToolsProtocol):
    """Answers 431 past `MAX_HEAD_BYTES`, hangs up when a head is not whole within `HEAD_SECONDS`; what cannot be parsed
    gets the agreed form of an error too."""

    _in_head = True
    _no_body_bytes = 0
    _head_timer: asyncio.TimerHandle | None = None

    def connection_made(self, transport: Any) -> None:
        super().connection_made(transport)
        self._start_head_timer()

    def connection_lost(self, exc: Exception | None) -> None:
        self._stop_head_timer()
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        if self._no_body_bytes > MAX_HEAD_BYTES:
            self._refuse()
            return
        # Counted after the check: the piece that ends a head may bring a good part of the body with it.
        self._no_body_bytes += len(data)
        super().data_received(data)

    def on_message_begin(self) -> None:
        self._in_head, self._no_body_bytes = True, 0
        self._start_head_timer()
        super().on_message_begin()

    def on_headers_complete(self) -> None:
        self._in_head, self._no_body_bytes = False, 0
        self._stop_head_timer()
        super().on_headers_complete()

    def on_body(self, body: bytes) -> None:
        self._no_body_bytes = 0
        # What comes while nothing waits to be read is handed on as it is: `receive` copies a bytearray, and not bytes.
        cycle: Any = self.cycle
        if not cycle.body:
            cycle.body = b""
        elif isinstance(cycle.body, bytes):
            cycle.body = bytearray(cycle.body)
        super().on_body(body)

    def send_400_response(self, msg: str) -> None:  # noqa: ARG002  uvicorn's own words
        self.transport.write(NO_HTTP)
        self.transport.close()

    def _refuse(self) -> None:
        self._stop_head_timer()
        if self._in_head:  # else an answer may be on its way already
            self.transport.write(TOO_LARGE)
        self.transport.close()

    def _start_head_timer(self) -> None:
        self._stop_head_timer()
        self._head_timer = self.loop.call_later(HEAD_SECONDS, self.transport.close)

    def _stop_head_timer(self) -> None:
        if self._head_timer is not None:
            self._head_timer.cancel()
            self._head_timer = None

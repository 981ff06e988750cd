"""uvicorn's HTTP/1.1 protocol with two bounds that it lacks: how long a head may be, and how long it may take.

A storage element faces the WAN: without these, one connection that sends headers for ever fills the memory, and one that
sends nothing holds its place for ever, before any token is asked for.
"""

from __future__ import annotations

import asyncio
from typing import Any

from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

MAX_HEAD_BYTES = 512 * 1024
"""Request line and headers. `Artstore-Metadata` alone may be some hundred KiB."""
HEAD_SECONDS = 15.0
TOO_LARGE = (
    b"HTTP/1.1 431 Request Header Fields Too Large\r\n"
    b"content-type: application/json\r\nconnection: close\r\n"
    b"content-length: 85\r\n\r\n"
    b'{"error":{"code":"VALIDATION_ERROR","message":"The head of the request is too long"}}'
)


class BoundedHttpProtocol(HttpToolsProtocol):
    """Answers 431 past `MAX_HEAD_BYTES`, hangs up when a head is not whole within `HEAD_SECONDS`."""

    _in_head = True
    _head_bytes = 0
    _head_timer: asyncio.TimerHandle | None = None

    def connection_made(self, transport: Any) -> None:
        super().connection_made(transport)
        self._start_head_timer()

    def connection_lost(self, exc: Exception | None) -> None:
        self._stop_head_timer()
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        if self._in_head:
            if self._head_bytes > MAX_HEAD_BYTES:
                self._refuse()
                return
            # Counted after the check: the piece that ends a head may bring a good part of the body with it.
            self._head_bytes += len(data)
        super().data_received(data)

    def on_message_begin(self) -> None:
        self._in_head, self._head_bytes = True, 0
        self._start_head_timer()
        super().on_message_begin()

    def on_headers_complete(self) -> None:
        self._in_head = False
        self._stop_head_timer()
        super().on_headers_complete()

    def on_body(self, body: bytes) -> None:
        # What comes while nothing waits to be read is handed on as it is: `receive` copies a bytearray, and not bytes.
        cycle: Any = self.cycle
        if not cycle.body:
            cycle.body = b""
        elif isinstance(cycle.body, bytes):
            cycle.body = bytearray(cycle.body)
        super().on_body(body)

    def _refuse(self) -> None:
        self._stop_head_timer()
        self.transport.write(TOO_LARGE)
        self.transport.close()

    def _start_head_timer(self) -> None:
        self._stop_head_timer()
        self._head_timer = self.loop.call_later(HEAD_SECONDS, self.transport.close)

    def _stop_head_timer(self) -> None:
        if self._head_timer is not None:
            self._head_timer.cancel()
            self._head_timer = None

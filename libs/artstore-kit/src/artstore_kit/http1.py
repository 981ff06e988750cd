"""HTTP/1.1 for calls between services: an httpx transport for many small requests (RFC 9112).

httpx's own looks at every idle connection with a system call, twice a request, and parses in Python: with 64 of them that
was more than half of what an upload of 10 KiB cost. This one hears from the event loop that a connection is closed, and
parses with httptools, as the server does. It raises what httpx's own raises.
"""

from __future__ import annotations

import asyncio
import ssl
from collections import deque
from collections.abc import AsyncIterator
from typing import Final, NamedTuple

import httpx

from artstore_kit.http1_connection import Connection, Head, connected

KEEPALIVE_SECONDS: Final = 5.0
"""httpx's own: well below what any server grants, so that a request hardly ever meets a connection that is closing."""


class _Origin(NamedTuple):
    tls: bool
    host: str
    port: int


class Http1Transport(httpx.AsyncBaseTransport):
    """Up to `max_connections` requests at a time, and connections kept open; more wait, for the timeout's `pool`."""

    def __init__(self, context: ssl.SSLContext | None = None, *, max_connections: int) -> None:
        self._context = context
        self._turns, self._most = asyncio.Semaphore(max_connections), max_connections
        self._idle: dict[_Origin, deque[tuple[float, Connection]]] = {}
        self._open: set[Connection] = set()

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        times = request.extensions.get("timeout", {})
        try:
            async with asyncio.timeout(times.get("pool")):
                await self._turns.acquire()
        except TimeoutError as error:
            raise httpx.PoolTimeout("All connections are in use") from error
        connection = None
        try:
            origin = _origin(request.url)
            connection = self._kept(origin) or await self._connect(origin, times.get("connect"))
            await connection.send(request, times.get("write"))
            head = await connection.head(times.get("read"))
        except BaseException:
            self._let_go(None, connection)
            raise
        return self._response(origin, connection, head, times.get("read"))

    async def aclose(self) -> None:
        """At once: whoever closes a client has no request under way."""
        self._idle.clear()
        for connection in [*self._open]:
            connection.abort()
        await asyncio.sleep(0)  # the event loop tells the connections then

    def _response(
        self, origin: _Origin, connection: Connection, head: Head, read_seconds: float | None
    ) -> httpx.Response:
        body = _Body(self, origin, connection, read_seconds)
        known = {"http_version": b"HTTP/1.1", "reason_phrase": head.reason}
        return httpx.Response(head.status, headers=head.headers, stream=body, extensions=known)

    def _kept(self, origin: _Origin) -> Connection | None:
        """The one that was used last: those beyond what is needed grow old."""
        now = asyncio.get_running_loop().time()
        kept = self._idle.get(origin)
        while kept:
            since, connection = kept.pop()
            if connection.is_idle and now - since < KEEPALIVE_SECONDS:
                return connection
            connection.close()
        return None

    async def _connect(self, origin: _Origin, seconds: float | None) -> Connection:
        if len(self._open) >= self._most:
            self._close_idle()
        context = (self._context or ssl.create_default_context()) if origin.tls else None
        connection = await connected(origin.host, origin.port, context, seconds, lost=self._open.discard)
        self._open.add(connection)
        return connection

    def _close_idle(self) -> None:
        """There are some: no more requests are under way than there may be connections, and this one has none yet."""
        for kept in self._idle.values():
            while kept:
                kept.popleft()[1].close()

    def _let_go(self, origin: _Origin | None, connection: Connection | None) -> None:
        """The end of a request. Without `origin`, or if more may come on it, its connection is of no use to others."""
        self._turns.release()
        if connection is None:
            return
        if origin is not None and connection.finish():
            now = asyncio.get_running_loop().time()
            self._idle.setdefault(origin, deque(maxlen=self._most)).append((now, connection))
        else:
            connection.close()


class _Body(httpx.AsyncByteStream):
    """A response's body, read no faster than it is wanted. However it ends, its connection is let go, once."""

    def __init__(
        self, transport: Http1Transport, origin: _Origin, connection: Connection, read_seconds: float | None
    ) -> None:
        self._transport, self._origin, self._connection = transport, origin, connection
        self._read_seconds, self._held = read_seconds, True

    async def __aiter__(self) -> AsyncIterator[bytes]:
        try:
            while chunk := await self._connection.read(self._read_seconds):
                yield chunk
        except BaseException:
            self._let_go(None)
            raise

    async def aclose(self) -> None:
        self._let_go(self._origin)

    def _let_go(self, origin: _Origin | None) -> None:
        if self._held:
            self._held = False
            self._transport._let_go(origin, self._connection)


def _origin(url: httpx.URL) -> _Origin:
    if url.scheme not in ("http", "https"):
        raise httpx.UnsupportedProtocol(f"{url.scheme!r} is not spoken here")
    tls = url.scheme == "https"
    return _Origin(tls, url.host, url.port or (443 if tls else 80))

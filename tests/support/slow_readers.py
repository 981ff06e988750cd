"""Clients that read a download slowly, or not at all, over a connection with small buffers."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import AsyncIterator, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from typing import Final
from urllib.parse import urlsplit

_BUFFER: Final = 64 * 1024
_HEAD_SECONDS: Final = 60.0


class SlowReader:
    """A download that has begun: its headers are read, and of its bytes only what `read` was called for."""

    def __init__(self, connection: socket.socket, status: int, begun: int) -> None:
        self._connection, self.status, self.taken = connection, status, begun

    async def read(self, size: int) -> int:
        """At most `size` bytes more; how many came (0: the connection has ended)."""
        piece = await asyncio.get_running_loop().sock_recv(self._connection, size)
        self.taken += len(piece)
        return len(piece)


@asynccontextmanager
async def slow_reader(url: str, headers: Mapping[str, str]) -> AsyncIterator[SlowReader]:
    """`url` is http. The connection is closed with the block, whatever is still to come."""
    parts = urlsplit(url)
    target = f"{parts.path}?{parts.query}" if parts.query else parts.path
    lines = [
        f"GET {target} HTTP/1.1",
        f"Host: {parts.netloc}",
        *(f"{name}: {value}" for name, value in headers.items()),
    ]
    with socket.socket() as connection:
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, _BUFFER)
        connection.setblocking(False)
        loop = asyncio.get_running_loop()
        async with asyncio.timeout(_HEAD_SECONDS):
            await loop.sock_connect(connection, (parts.hostname, parts.port))
            await loop.sock_sendall(connection, "\r\n".join([*lines, "", ""]).encode())
            head = b""
            while b"\r\n\r\n" not in head:
                piece = await loop.sock_recv(connection, 4096)
                assert piece, head
                head += piece
        told, _, body = head.partition(b"\r\n\r\n")
        yield SlowReader(connection, int(told.split()[1]), len(body))


@asynccontextmanager
async def slow_readers(count: int, url: str, headers: Mapping[str, str]) -> AsyncIterator[list[SlowReader]]:
    async with AsyncExitStack() as held:
        yield [await held.enter_async_context(slow_reader(url, headers)) for _ in range(count)]

"""Servers that admin may be led to, and that are no storage elements."""

from __future__ import annotations

import asyncio
import json
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from ipaddress import ip_address
from typing import Any

from admin_elements import Pair
from admin_service.clients.pinned import Resolve
from admin_service.registry.addresses import Address

INFO: dict[str, Any] = {
    "storage_id": "se-1",
    "mode": "rw",
    "version": "1",
    "capacity_bytes": 2,
    "used_bytes": 1,
    "available_bytes": 1,
    "allowed_operations": ["list"],
}
Answer = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]


class Stranger:
    """A TLS server on loopback that keeps what it was sent."""

    def __init__(self, answer: Answer, tls: ssl.SSLContext | None) -> None:
        self._answer, self._tls = answer, tls
        self.requests: list[bytes] = []
        self.names: list[str | None] = []
        self.connections = 0

    @asynccontextmanager
    async def running(self, host: str = "127.0.0.1") -> AsyncIterator[int]:
        if self._tls is not None:
            self._tls.sni_callback = lambda _object, name, _context: self.names.append(name)
        server = await asyncio.start_server(self._serve, host, 0, ssl=self._tls)
        try:
            yield server.sockets[0].getsockname()[1]
        finally:
            server.close()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.connections += 1
        try:
            self.requests.append(await (reader.read(4096) if self._tls is None else reader.readuntil(b"\r\n\r\n")))
            await self._answer(reader, writer)
        except (ConnectionError, asyncio.IncompleteReadError):
            pass
        finally:
            writer.close()


def says(status: str = "200 OK", body: bytes | None = None, *headers: str) -> Answer:
    content = json.dumps(INFO).encode() if body is None else body

    async def answer(_reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        head = [f"HTTP/1.1 {status}", f"Content-Length: {len(content)}", *headers, "", ""]
        writer.write("\r\n".join(head).encode() + content)
        await writer.drain()

    return answer


async def endless(_reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    writer.write(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n")
    while True:
        writer.write(b"1000\r\n" + b" " * 4096 + b"\r\n")
        await writer.drain()


async def trickling(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 60000\r\n\r\n")
    while not reader.at_eof():
        writer.write(b" ")
        await writer.drain()
        await asyncio.sleep(0.01)


async def endless_headers(_reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    writer.write(b"HTTP/1.1 200 OK\r\n")
    while True:
        writer.write(b"X-More: " + b"x" * 1000 + b"\r\n")
        await writer.drain()


def server_side(certificate: Pair) -> ssl.SSLContext:
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(*certificate)
    return context


def resolves_to(*addresses: str) -> Resolve:
    async def resolve(_host: str, _port: int) -> Sequence[Address]:
        return [ip_address(one) for one in addresses]

    return resolve

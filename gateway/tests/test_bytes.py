"""Byte routes: nothing is held back, nobody is cut off for being slow."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from artstore_gateway import Service
from artstore_gateway.testing import MEBIBYTE, Gateway, running_gateway

pytestmark = pytest.mark.integration


@pytest.mark.parametrize(
    ("method", "path"),
    [("POST", "/api/v1/files/upload"), ("PATCH", "/api/v1/uploads/x1"), ("POST", "/api/v1/uploads")],
)
async def test_an_upload_is_not_buffered(gateway: Gateway, method: str, path: str) -> None:
    ingester = gateway.upstreams[Service.INGESTER]
    ingester.first_bytes.clear()

    async def body() -> AsyncIterator[bytes]:
        yield b"first"
        await asyncio.wait_for(ingester.first_bytes.wait(), 10)  # before the last byte was sent
        yield bytes(3 * MEBIBYTE)

    response = await gateway.client.request(method, gateway.url + path, content=body(), headers=gateway.bearer())

    assert response.json()["received"] == 5 + 3 * MEBIBYTE


@pytest.mark.parametrize("connection", ["close", "keep-alive"])
async def test_a_slow_reader_gets_the_whole_file(tmp_path: Path, connection: str) -> None:
    """Two MiB a second, for longer than every timeout that is set here."""
    async with running_gateway(tmp_path, request_timeout_seconds=1, bytes_idle_seconds=4) as gateway:
        gateway.upstreams[Service.QUERY].download_bytes = 20 * MEBIBYTE
        sock = socket.socket()
        # A small window, or the kernel would take most of the file and Envoy never see that the client is slow.
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 64 * 1024)
        sock.connect(("127.0.0.1", gateway.settings.port))
        reader, writer = await asyncio.open_connection(sock=sock, limit=64 * 1024)
        request = [
            "GET /api/v1/files/x1/download HTTP/1.1",
            "Host: a",
            f"Connection: {connection}",
            f"Authorization: {gateway.bearer()['Authorization']}",
        ]
        writer.write("\r\n".join([*request, "", ""]).encode())
        head = await reader.readuntil(b"\r\n\r\n")
        received = 0
        while received < 20 * MEBIBYTE and (piece := await reader.read(64 * 1024)):
            received += len(piece)
            await asyncio.sleep(len(piece) / (2 * MEBIBYTE))
        writer.close()

    assert b" 200 " in head
    assert received == 20 * MEBIBYTE


async def test_a_stalled_byte_route_ends_in_the_end(tmp_path: Path) -> None:
    async with running_gateway(tmp_path, bytes_idle_seconds=1) as gateway:
        gateway.upstreams[Service.QUERY].delay = 3

        response = await gateway.client.get(gateway.url + "/api/v1/files/x1/download", headers=gateway.bearer())

        assert response.status_code == 504
        assert response.json()["error"]["code"] == "UPSTREAM_FAILED"

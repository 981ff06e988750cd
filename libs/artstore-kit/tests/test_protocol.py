"""What a connection may do before anybody knows who it is."""

from __future__ import annotations

import contextlib
import json
import random
import socket
from collections.abc import Iterator
from hashlib import sha256

import pytest
from artstore_kit import protocol
from artstore_kit.app import ServiceInfo, create_app
from artstore_testing.servers import running_app
from fastapi import APIRouter, Request, Response


@pytest.fixture(scope="module")
def port() -> Iterator[int]:
    router = APIRouter()

    @router.put("/digest")
    async def digest(request: Request) -> Response:
        found = sha256()
        async for chunk in request.stream():
            found.update(chunk)
        return Response(found.hexdigest())

    app = create_app(ServiceInfo("kit-service", "1", "Kit"), routers=[router], is_byte_route=lambda _: True)
    with running_app(app, protocol=protocol.BoundedHttpProtocol) as url:
        yield int(url.rpartition(":")[2])


def test_head_without_end_is_refused(port: int) -> None:
    with socket.create_connection(("127.0.0.1", port), timeout=10) as client:
        client.sendall(b"GET /health/live HTTP/1.1\r\nhost: x\r\nx-a: ")
        sent, answer = 0, b""
        with contextlib.suppress(ConnectionError):  # closing on unread bytes resets the connection
            while sent < 100 * protocol.MAX_HEAD_BYTES:
                sent += client.send(b"a" * 65536)
        with contextlib.suppress(ConnectionError):
            while piece := client.recv(65536):
                answer += piece
    assert sent < 20 * protocol.MAX_HEAD_BYTES  # what the kernel's own buffers hold comes on top of the bound
    assert answer in (b"", protocol.TOO_LARGE)


@pytest.mark.parametrize(
    ("begin", "more"),
    [(b"5;", b"x" * 65536), (b"0\r\n", b"x-a: " + b"y" * 60000 + b"\r\n"), (b"0\r\nx-a: ", b"y" * 65536)],
    ids=["extension of a chunk", "trailers", "a trailer"],
)
def test_what_surrounds_chunks_without_end_is_cut_off(port: int, begin: bytes, more: bytes) -> None:
    with socket.create_connection(("127.0.0.1", port), timeout=60) as client:
        client.sendall(b"PUT /digest HTTP/1.1\r\nhost: x\r\ntransfer-encoding: chunked\r\n\r\n" + begin)
        sent = 0
        with contextlib.suppress(ConnectionError):
            while sent < 100 * protocol.MAX_HEAD_BYTES:
                sent += client.send(more)
    assert sent < 20 * protocol.MAX_HEAD_BYTES


def test_small_chunks_with_extensions_are_a_body_however_long_it_is(port: int) -> None:
    chunk = b"1;" + b"x" * 30_000 + b"\r\na\r\n"
    with socket.create_connection(("127.0.0.1", port), timeout=60) as client:
        head = b"PUT /digest HTTP/1.1\r\nhost: x\r\nconnection: close\r\ntransfer-encoding: chunked\r\n\r\n"
        client.sendall(head + chunk * 50 + b"0\r\nx-a: b\r\n\r\n")
        answer = b"".join(iter(lambda: client.recv(65536), b""))
    assert answer.endswith(sha256(b"a" * 50).hexdigest().encode())


def test_what_is_no_http_is_refused_in_the_agreed_form(port: int) -> None:
    for request in (b"hello\r\n\r\n", b"PUT /digest HTTP/1.1\r\nhost: x\r\ncontent-length: -5\r\n\r\n"):
        with socket.create_connection(("127.0.0.1", port), timeout=60) as client:
            client.sendall(request)
            assert client.recv(65536) == protocol.NO_HTTP


@pytest.mark.parametrize("answer", [protocol.TOO_LARGE, protocol.NO_HTTP])
def test_the_refusal_has_the_agreed_form(answer: bytes) -> None:
    head, _, body = answer.partition(b"\r\n\r\n")
    assert f"content-length: {len(body)}".encode() in head
    assert json.loads(body)["error"]["code"] == "VALIDATION_ERROR"


def test_large_head_within_the_bound_is_served(port: int) -> None:
    with socket.create_connection(("127.0.0.1", port), timeout=10) as client:
        long = b"a" * 300_000
        for _ in range(3):
            client.sendall(b"GET /health/live HTTP/1.1\r\nhost: x\r\nx-a: " + long + b"\r\n\r\n")
            assert client.recv(65536).startswith(b"HTTP/1.1 200")


@pytest.mark.parametrize("most", [10, 3000, 300_000])
def test_body_is_what_was_sent_however_it_comes(port: int, most: int) -> None:
    draw = random.Random(most)
    body = draw.randbytes(most * 40)
    with socket.create_connection(("127.0.0.1", port), timeout=10) as client:
        client.sendall(b"PUT /digest HTTP/1.1\r\nhost: x\r\ncontent-length: %d\r\n\r\n" % len(body))
        at = 0
        while at < len(body):
            size = draw.randint(1, most)
            client.sendall(body[at : at + size])
            at += size
        answer = client.recv(65536)
    assert answer.endswith(sha256(body).hexdigest().encode())

"""The transport against servers that say just what a test wants, and against uvicorn."""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

import httpx
import pytest
from artstore_kit.http1 import Http1Transport

Answer = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]
OK = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"
CHUNKED = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"


@dataclass
class Peer:
    """Connections are answered by `answer`, which is called for each of them."""

    url: str = ""
    connections: int = 0
    _more: asyncio.Condition = field(default_factory=asyncio.Condition)

    async def connected(self) -> None:
        async with self._more:
            self.connections += 1
            self._more.notify_all()

    async def reached(self, connections: int) -> None:
        async with asyncio.timeout(60), self._more:
            await self._more.wait_for(lambda: self.connections >= connections)


@asynccontextmanager
async def peer(answer: Answer) -> AsyncIterator[Peer]:
    made, open_ones = Peer(), set[asyncio.StreamWriter]()

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await made.connected()
        open_ones.add(writer)
        try:
            await answer(reader, writer)
        except (ConnectionError, asyncio.IncompleteReadError):
            pass
        finally:
            writer.close()

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    made.url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
    try:
        yield made
    finally:
        server.close()
        for writer in open_ones:
            writer.transport.abort()


@asynccontextmanager
async def client(connections: int = 10, **timeouts: float) -> AsyncIterator[httpx.AsyncClient]:
    transport = Http1Transport(max_connections=connections)
    timeout = httpx.Timeout(30.0, **timeouts)
    async with httpx.AsyncClient(transport=transport, timeout=timeout, trust_env=False) as made:
        yield made


async def head_of(reader: asyncio.StreamReader) -> bytes:
    return await reader.readuntil(b"\r\n\r\n")


def always(said: bytes, *, close: bool = False) -> Answer:
    """The same to every request; bodies are not read."""

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while True:
            await head_of(reader)
            writer.write(said)
            await writer.drain()
            if close:
                return

    return answer


@pytest.mark.parametrize(
    ("said", "status", "body"),
    [
        (OK, 200, b"ok"),
        (b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nok\r\n1\r\n!\r\n0\r\n\r\n", 200, b"ok!"),
        (b"HTTP/1.1 204 No Content\r\n\r\n", 204, b""),
        (b'HTTP/1.1 304 Not Modified\r\nETag: "a"\r\nContent-Length: 5\r\n\r\n', 304, b""),
        (b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 201 Created\r\nContent-Length: 0\r\n\r\n", 201, b""),
    ],
)
async def test_answers_are_read_and_the_connection_is_used_again(said: bytes, status: int, body: bytes) -> None:
    async with peer(always(said)) as there, client() as http:
        for _ in range(3):
            answer = await http.get(there.url)
            assert (answer.status_code, answer.content) == (status, body)
        assert there.connections == 1


@pytest.mark.parametrize(
    "said",
    [
        b"HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 2\r\n\r\nok",
        b"HTTP/1.0 200 OK\r\nContent-Length: 2\r\n\r\nok",
        b"HTTP/1.1 200 OK\r\n\r\nok",
    ],
)
async def test_a_connection_that_ends_is_not_used_again(said: bytes) -> None:
    async with peer(always(said, close=True)) as there, client() as http:
        assert [(await http.get(there.url)).content for _ in range(2)] == [b"ok", b"ok"]
        assert there.connections == 2


async def test_an_answer_to_head_has_no_body() -> None:
    async with peer(always(b"HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\n")) as there, client() as http:
        for _ in range(2):
            answer = await http.head(there.url)
            assert (answer.headers["content-length"], answer.content) == ("1000", b"")
        assert there.connections == 1


@pytest.mark.parametrize(
    ("said", "error"),
    [
        (b"", httpx.RemoteProtocolError),
        (b"HTTP/1.1 200", httpx.RemoteProtocolError),
        (b"HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nok", httpx.RemoteProtocolError),
        (b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nok", httpx.RemoteProtocolError),
        (b"SSH-2.0-OpenSSH\r\n\r\n", httpx.RemoteProtocolError),
        (b"HTTP/1.1 200 OK\r\nA: " + b"a" * 70_000, httpx.RemoteProtocolError),
        (CHUNKED + b"0\r\nA: " + b"a" * 1_000_000, httpx.RemoteProtocolError),
    ],
)
async def test_what_is_no_whole_answer_is_an_error(said: bytes, error: type[Exception]) -> None:
    async with peer(always(said, close=True)) as there, client() as http:
        with pytest.raises(error):
            await http.get(there.url)


@pytest.mark.parametrize("unending", [b"A: a\r\n", b"a"])
async def test_trailers_that_never_end_are_an_error(unending: bytes) -> None:
    """An element may be on anybody's machine: no answer of its may fill our memory."""

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await head_of(reader)
        writer.write(CHUNKED + b"2\r\nok\r\n0\r\nB: ")
        while True:
            writer.write(unending * 10_000)
            await writer.drain()

    async with asyncio.timeout(20), peer(answer) as there, client() as http:
        with pytest.raises(httpx.RemoteProtocolError):
            await http.get(there.url)


async def test_trailers_do_not_pass_for_headers() -> None:
    said = CHUNKED + b"2\r\nok\r\n0\r\nContent-Type: text/html\r\n\r\n"
    async with peer(always(said)) as there, client() as http:
        for _ in range(2):
            answer = await http.get(there.url)
            assert (answer.content, "content-type" in answer.headers) == (b"ok", False)
        assert there.connections == 1


async def test_bodies_arrive_whole_by_length_and_in_chunks() -> None:
    sent = [b"a" * 70_000, b"", b"b" * 1_000_000]
    seen: list[bytes] = []

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while True:
            head, body = await head_of(reader), b""
            if b"chunked" in head:
                while size := int(await reader.readuntil(b"\r\n"), 16):
                    body += (await reader.readexactly(size + 2))[:-2]
                await reader.readexactly(2)
            else:
                length = next(line for line in head.split(b"\r\n") if line.lower().startswith(b"content-length"))
                body = await reader.readexactly(int(length.split(b":")[1]))
            seen.append(body)
            writer.write(OK)

    async def pieces() -> AsyncIterator[bytes]:
        for piece in sent:
            yield piece

    whole = b"".join(sent)
    async with peer(answer) as there, client() as http:
        await http.put(there.url, content=whole)
        await http.put(there.url, content=pieces())
        await http.put(there.url, content=pieces(), headers={"Content-Length": str(len(whole))})
        assert (seen == [whole] * 3, there.connections) == (True, 1)


@pytest.mark.parametrize("announced", [3, 5])
async def test_a_body_of_another_length_than_announced_is_an_error(announced: int) -> None:
    async def pieces() -> AsyncIterator[bytes]:
        yield b"four"

    async with peer(always(OK)) as there, client() as http:
        with pytest.raises(httpx.LocalProtocolError):
            await http.put(there.url, content=pieces(), headers={"Content-Length": str(announced)})
        assert (await http.get(there.url)).content == b"ok"


async def test_a_refusal_that_comes_before_the_body_is_sent_is_heard() -> None:
    refusal = b"HTTP/1.1 413 Too Large\r\nContent-Length: 0\r\nConnection: close\r\n\r\n"
    refused = asyncio.Event()

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await head_of(reader)
        writer.write(refusal)
        await writer.drain()
        refused.set()
        while await reader.read(100_000):
            pass

    async def pieces() -> AsyncIterator[bytes]:
        yield b"a"
        await refused.wait()
        for _ in range(100):
            yield b"b" * 100_000

    async with peer(answer) as there, client() as http:
        assert (await http.put(there.url, content=pieces())).status_code == 413


async def test_a_server_that_breaks_off_during_the_body_ends_the_request() -> None:
    broken = asyncio.Event()

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await head_of(reader)
        writer.transport.abort()
        broken.set()

    async def pieces() -> AsyncIterator[bytes]:
        yield b"a"
        await broken.wait()
        for _ in range(10_000):
            yield b"b" * 100_000

    async with peer(answer) as there, client() as http:
        with pytest.raises((httpx.ReadError, httpx.RemoteProtocolError)):
            await http.put(there.url, content=pieces())


async def test_what_was_sent_of_a_body_that_breaks_off_arrives() -> None:
    received = bytearray()
    ended = asyncio.Event()

    async def answer(reader: asyncio.StreamReader, _writer: asyncio.StreamWriter) -> None:
        await head_of(reader)
        while chunk := await reader.read(100_000):
            received.extend(chunk)
        ended.set()

    async def pieces() -> AsyncIterator[bytes]:
        yield b"a" * 5_000_000
        raise OSError("the client of this client went away")

    async with peer(answer) as there, client() as http:
        with pytest.raises(OSError, match="went away"):
            await http.put(there.url, content=pieces())
        async with asyncio.timeout(60):
            await ended.wait()
    assert received.count(b"a") == 5_000_000


async def test_header_values_are_sent_as_they_are_and_never_as_two() -> None:
    seen: list[bytes] = []

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        seen.append(await head_of(reader))
        writer.write(OK)

    async with peer(answer) as there, client() as http:
        await http.get(there.url + "/%D1%8F?a=b%20c", headers={b"If-Match": '"ü"'.encode("latin-1")})
        with pytest.raises(httpx.LocalProtocolError):
            await http.get(there.url, headers={b"A": b"b\r\nC: d"})
    assert seen[0].startswith(b"GET /%D1%8F?a=b%20c HTTP/1.1\r\n")
    assert '"ü"'.encode("latin-1") in seen[0]
    assert len(seen) == 1


async def test_nobody_there_is_a_connect_error() -> None:
    async with peer(always(OK)) as there:
        url = there.url
    async with client() as http:
        with pytest.raises(httpx.ConnectError):
            await http.get(url)


async def test_tls_that_is_none_is_a_connect_error() -> None:
    async def plain(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(OK)
        await reader.read()

    transport = Http1Transport(ssl.create_default_context(), max_connections=1)
    async with peer(plain) as there, httpx.AsyncClient(transport=transport) as http:
        with pytest.raises(httpx.ConnectError):
            await http.get(there.url.replace("http:", "https:"))


async def test_silence_is_a_read_timeout_and_a_full_pool_a_pool_timeout() -> None:
    async def silent(reader: asyncio.StreamReader, _writer: asyncio.StreamWriter) -> None:
        await reader.read()

    async with peer(silent) as there, client(1, read=0.05) as http:
        with pytest.raises(httpx.ReadTimeout):
            await http.get(there.url)
    async with peer(silent) as there, client(1, pool=0.05) as http:
        first = asyncio.create_task(http.get(there.url))
        await there.reached(1)
        with pytest.raises(httpx.PoolTimeout):
            await http.get(there.url)
        first.cancel()
        with pytest.raises(asyncio.CancelledError):
            await first


async def test_requests_beyond_the_limit_wait_and_use_the_same_connections() -> None:
    async with peer(always(OK)) as there, client(3) as http:
        answers = await asyncio.gather(*(http.get(there.url) for _ in range(50)))
        assert {answer.content for answer in answers} == {b"ok"}
        assert there.connections <= 3


async def test_connections_to_others_make_room() -> None:
    async with peer(always(OK)) as one, peer(always(OK)) as other, client(1) as http:
        for _ in range(2):
            assert (await http.get(one.url)).content == b"ok"
            assert (await http.get(other.url)).content == b"ok"
        assert (one.connections, other.connections) == (2, 2)


async def test_a_body_is_read_no_faster_than_it_is_wanted() -> None:
    written = 0
    size = 64 * 1024 * 1024

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        nonlocal written
        await head_of(reader)
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % size)
        for _ in range(size // 65536):
            writer.write(bytes(65536))
            await writer.drain()
            written += 65536

    async with peer(answer) as there, client() as http, http.stream("GET", there.url) as response:
        chunks = response.aiter_raw()
        received = len(await anext(chunks))
        before = -1
        while written != before:  # until the sender stands still
            before = written
            for _ in range(1000):
                await asyncio.sleep(0)
        assert written < size // 2
        async for chunk in chunks:
            assert len(chunk) < 4 * 1024 * 1024
            received += len(chunk)
        assert received == size


async def test_a_body_that_is_left_ends_its_connection_and_frees_its_place() -> None:
    said = b"HTTP/1.1 200 OK\r\nContent-Length: 1000000\r\n\r\n" + bytes(1000)
    async with peer(always(said)) as there, client(1) as http:
        for _ in range(3):
            async with http.stream("GET", there.url) as response:
                assert response.status_code == 200
        assert there.connections == 3


async def test_a_cancelled_request_frees_its_place() -> None:
    async def silent(reader: asyncio.StreamReader, _writer: asyncio.StreamWriter) -> None:
        await reader.read()

    async with peer(silent) as there, client(1) as http:
        for number in range(1, 4):
            asking = asyncio.create_task(http.get(there.url))
            await there.reached(number)
            asking.cancel()
            with pytest.raises(asyncio.CancelledError):
                await asking


async def test_a_connection_that_was_closed_while_idle_is_not_used() -> None:
    closed = asyncio.Event()

    async def once(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await head_of(reader)
        writer.write(OK)
        await writer.drain()
        writer.close()
        await writer.wait_closed()
        closed.set()

    async with peer(once) as there, client() as http:
        for number in (1, 2, 3):
            closed.clear()
            assert (await http.get(there.url)).content == b"ok"
            await closed.wait()
            await asyncio.sleep(0.05)
            assert there.connections == number

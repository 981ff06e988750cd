"""The client of clamd, against a real one, over both kinds of socket; and against ones that misbehave."""

from __future__ import annotations

import asyncio
import os
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
from clamd_support import EICAR, SIGNATURE, ClamdProcess
from ingester_service.clients.clamd import Clamd, ClamdAddress
from ingester_service.upload.scanning import Found, ScannerUnavailable, Verdict
from ingester_support import MIB

LIMIT = 4 * MIB


@pytest.fixture(scope="module", params=["tcp", "unix"])
def running(request: pytest.FixtureRequest) -> Iterator[ClamdProcess]:
    with TemporaryDirectory(prefix="clamd-") as directory:
        settings = {"StreamMaxLength": LIMIT, "MaxFileSize": 2 * MIB, "AlertExceedsMax": "yes"}
        process = ClamdProcess(Path(directory), request.param == "tcp", settings)
        process.start()
        try:
            yield process
        finally:
            process.stop()


@pytest.fixture
def clamd(running: ClamdProcess) -> Clamd:
    return Clamd(running.address, patience=60, at_once=4)


async def pieces(*given: bytes) -> AsyncIterator[bytes]:
    for piece in given:
        yield piece


async def test_it_answers(clamd: Clamd) -> None:
    await clamd.probe()


@pytest.mark.parametrize("content", [(), (b"",), (b"hello",), (b"a" * MIB,), (b"a", b"", b"b" * (MIB - 1))])
async def test_clean(clamd: Clamd, content: tuple[bytes, ...]) -> None:
    assert await clamd.scan(pieces(*content)) == Verdict(Found.CLEAN)


@pytest.mark.parametrize(
    "content",
    [(EICAR,), (EICAR[:30], EICAR[30:]), (os.urandom(MIB), EICAR[:7], EICAR[7:] + bytes(300_000))],
    ids=["whole", "in two pieces", "deep in a larger file"],
)
async def test_infected(clamd: Clamd, content: tuple[bytes, ...]) -> None:
    assert await clamd.scan(pieces(*content)) == Verdict(Found.INFECTED, SIGNATURE)


async def test_beyond_the_stream_limit_its_answer_is_heard_though_it_breaks_the_pipe(clamd: Clamd) -> None:
    async def endless() -> AsyncIterator[bytes]:
        while True:
            yield bytes(MIB)

    for content in (pieces(*[bytes(MIB)] * 4, b"1"), endless()):
        assert await clamd.scan(content) == Verdict(Found.TOO_LARGE, "StreamMaxLength")
    found = await asyncio.gather(*(clamd.scan(endless()) for _ in range(20)))
    assert {verdict.found for verdict in found} == {Found.TOO_LARGE}


async def test_what_it_did_not_look_at_whole_is_no_virus(clamd: Clamd) -> None:
    found = await clamd.scan(pieces(*[os.urandom(MIB)] * 3))
    assert (found.found, found.signature) == (Found.TOO_LARGE, "Heuristics.Limits.Exceeded.MaxFileSize")


async def test_what_the_source_raises_comes_through(clamd: Clamd) -> None:
    async def broken() -> AsyncIterator[bytes]:
        yield b"a"
        raise KeyError("gone")

    with pytest.raises(KeyError):
        await clamd.scan(broken())


@asynccontextmanager
async def answering(answer: bytes, *, read: bool = True) -> AsyncIterator[ClamdAddress]:
    """Something that is no clamd: reads or not, and says this, or nothing where it is empty."""
    gone = asyncio.Event()

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        if read:
            await reader.readuntil(bytes(4))
        if answer:
            writer.write(answer)
        else:
            await gone.wait()
        writer.close()

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    try:
        yield ClamdAddress(host="127.0.0.1", port=server.sockets[0].getsockname()[1])
    finally:
        gone.set()
        server.close()


@pytest.mark.parametrize(
    "answer", [b"\0", b"stream: OK", b"COMMAND READ TIMED OUT\0", b"x" * 5000, b"stream: \xff ERROR\0"]
)
async def test_an_answer_that_is_no_verdict_lets_nothing_in(answer: bytes) -> None:
    async with answering(answer) as address:
        with pytest.raises(ScannerUnavailable):
            await Clamd(address, patience=60, at_once=1).scan(pieces(b"hello"))


@pytest.mark.parametrize("content", [b"hello", bytes(64 * MIB)], ids=["it does not answer", "it does not read"])
async def test_one_that_hangs_is_given_up(content: bytes) -> None:
    async with answering(b"", read=False) as address:
        clamd = Clamd(address, patience=0.2, at_once=1)
        # One has the only turn, the other waits for it: both come to an end.
        found = await asyncio.gather(*(clamd.scan(pieces(content)) for _ in range(2)), return_exceptions=True)
        assert [type(one) for one in found] == [ScannerUnavailable] * 2
        with pytest.raises(TimeoutError):
            await clamd.probe()


async def test_one_that_is_not_there(tmp_path: Path) -> None:
    for address in (ClamdAddress(path=str(tmp_path / "none")), ClamdAddress(host="127.0.0.1", port=1)):
        clamd = Clamd(address, patience=60, at_once=1)
        with pytest.raises(ScannerUnavailable):
            await clamd.scan(pieces(b"hello"))
        with pytest.raises(OSError):
            await clamd.probe()


def test_addresses() -> None:
    assert ClamdAddress.parse("unix:///run/clamd.ctl") == ClamdAddress(path="/run/clamd.ctl")
    assert ClamdAddress.parse("tcp://[::1]:3310") == ClamdAddress(host="::1", port=3310)
    for text in ("", "clamav:3310", "unix://run", "tcp://clamav", "tcp://clamav:0", "tcp://:1", "tcp://a:99999"):
        with pytest.raises(ValueError, match="unix:///path or tcp://host:port"):
            ClamdAddress.parse(text)

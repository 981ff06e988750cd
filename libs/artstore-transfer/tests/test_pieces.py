"""Joining: the same bytes, in few pieces, held in bounded memory, read no further than asked."""

import asyncio
import tracemalloc
from collections.abc import AsyncIterator, Iterable
from contextlib import aclosing

import pytest
from artstore_transfer import pieces
from hypothesis import given
from hypothesis import strategies as st


async def source(chunks: Iterable[bytes]) -> AsyncIterator[bytes]:
    for chunk in chunks:
        yield chunk


@given(
    chunks=st.lists(st.binary(max_size=30), max_size=30),
    size=st.integers(1, 40),
    patience=st.sampled_from([None, 60.0]),
)
async def test_bytes_stay_the_same_and_only_the_last_piece_is_short(
    chunks: list[bytes], size: int, patience: float | None
) -> None:
    got = [piece async for piece in pieces(source(chunks), size, patience)]
    assert b"".join(got) == b"".join(chunks)
    assert all(len(piece) >= size for piece in got[:-1])
    assert all(got)


async def test_a_large_chunk_is_passed_on_uncopied() -> None:
    chunk = bytes(100)
    assert [piece is chunk async for piece in pieces(source([chunk]), 100)] == [True]


@pytest.mark.parametrize("patience", [None, 60.0])
async def test_nothing_is_read_ahead_of_the_consumer(patience: float | None) -> None:
    read = 0

    async def counted() -> AsyncIterator[bytes]:
        nonlocal read
        for _ in range(100):
            read += 1
            yield bytes(10)

    async with aclosing(pieces(counted(), 50, patience)) as joined:
        await anext(joined)
        assert read == 5
        await anext(joined)
        assert read == 10


async def test_single_bytes_do_not_cost_more_than_what_they_carry() -> None:
    chunk = bytes(1)
    tracemalloc.start()
    async for piece in pieces(source(chunk for _ in range(600_000)), 512 * 1024):
        assert piece
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 3 * 1024 * 1024


class Fed:
    """A source that gives what the test puts into it; b"" ends it. Knows whether its reader was cancelled."""

    def __init__(self) -> None:
        self.chunks: asyncio.Queue[bytes] = asyncio.Queue()
        self.cancelled = 0

    async def read(self) -> AsyncIterator[bytes]:
        try:
            while chunk := await self.chunks.get():
                yield chunk
        except asyncio.CancelledError:
            self.cancelled += 1
            raise


@given(
    script=st.lists(st.one_of(st.binary(min_size=1, max_size=8), st.none()), max_size=12),
    size=st.integers(1, 20),
)
async def test_a_slow_source_loses_and_reorders_nothing(script: list[bytes | None], size: int) -> None:
    """None in the script is a pause that is longer than the patience."""
    fed = Fed()

    async def feed() -> None:
        for chunk in script:
            if chunk is None:
                await asyncio.sleep(0.002)
            else:
                fed.chunks.put_nowait(chunk)
        fed.chunks.put_nowait(b"")

    feeding = asyncio.create_task(feed())
    got = [piece async for piece in pieces(fed.read(), size, 0.001)]
    await feeding
    assert b"".join(got) == b"".join(chunk for chunk in script if chunk)
    assert all(got)
    assert fed.cancelled == 0


async def test_what_is_held_goes_out_when_patience_ends() -> None:
    fed = Fed()
    async with aclosing(pieces(fed.read(), 1000, 0.01)) as joined:
        for chunk in (b"a", b"bc"):
            fed.chunks.put_nowait(chunk)
            assert await asyncio.wait_for(anext(joined), 5) == chunk


async def test_the_first_bytes_after_a_long_silence_go_out_at_once() -> None:
    fed = Fed()
    async with aclosing(pieces(fed.read(), 1000, 0.01)) as joined:
        waiting = asyncio.ensure_future(anext(joined))
        await asyncio.wait({waiting}, timeout=0.05)
        assert not waiting.done()
        fed.chunks.put_nowait(b"late")
        assert await asyncio.wait_for(waiting, 5) == b"late"


async def test_the_read_under_way_ends_with_the_consumer() -> None:
    fed = Fed()
    fed.chunks.put_nowait(b"a")
    async with aclosing(pieces(fed.read(), 1000, 0.01)) as joined:
        assert await anext(joined) == b"a"
        assert fed.cancelled == 0
    assert fed.cancelled == 1


async def test_a_cancelled_consumer_cancels_the_read() -> None:
    fed = Fed()
    waiting = asyncio.ensure_future(anext(pieces(fed.read(), 1000, 60)))
    await asyncio.wait({waiting}, timeout=0.01)
    waiting.cancel()
    with pytest.raises(asyncio.CancelledError):
        await waiting
    assert fed.cancelled == 1


async def test_what_the_source_raises_after_a_pause_comes_through() -> None:
    goes_on = asyncio.Event()

    async def breaks() -> AsyncIterator[bytes]:
        yield b"a"
        await goes_on.wait()
        raise ConnectionResetError

    async with aclosing(pieces(breaks(), 1000, 0.01)) as joined:
        assert await anext(joined) == b"a"
        goes_on.set()
        with pytest.raises(ConnectionResetError):
            await anext(joined)

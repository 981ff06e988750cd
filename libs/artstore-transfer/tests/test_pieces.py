"""Joining: the same bytes, in few pieces, held in bounded memory, read no further than asked."""

import tracemalloc
from collections.abc import AsyncIterator, Iterable

from artstore_transfer import pieces
from hypothesis import given
from hypothesis import strategies as st


async def source(chunks: Iterable[bytes]) -> AsyncIterator[bytes]:
    for chunk in chunks:
        yield chunk


@given(chunks=st.lists(st.binary(max_size=30), max_size=30), size=st.integers(1, 40))
async def test_bytes_stay_the_same_and_only_the_last_piece_is_short(chunks: list[bytes], size: int) -> None:
    got = [piece async for piece in pieces(source(chunks), size)]
    assert b"".join(got) == b"".join(chunks)
    assert all(len(piece) >= size for piece in got[:-1])
    assert all(got)


async def test_a_large_chunk_is_passed_on_uncopied() -> None:
    chunk = bytes(100)
    assert [piece is chunk async for piece in pieces(source([chunk]), 100)] == [True]


async def test_nothing_is_read_ahead_of_the_consumer() -> None:
    read = 0

    async def counted() -> AsyncIterator[bytes]:
        nonlocal read
        for _ in range(100):
            read += 1
            yield bytes(10)

    joined = pieces(counted(), 50)
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

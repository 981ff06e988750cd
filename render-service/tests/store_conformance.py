"""What every store of renditions must do: the tests of it, on whatever `store` the importing module makes."""

from __future__ import annotations

import os
from pathlib import Path
from uuid import uuid4

import pytest
from artstore_transfer import ByteRange
from render_service.renditions.store import Missing, RenditionStore

MIB = 1024 * 1024


async def put(store: RenditionStore, key: str, content: bytes, directory: Path) -> None:
    source = directory / uuid4().hex
    source.write_bytes(content)
    await store.put(key, source, "image/webp")


async def got(store: RenditionStore, key: str, start: int, stop: int) -> bytes:
    return b"".join([piece async for piece in store.read(key, ByteRange(start, stop))])


def new_key(name: str = "page-1-512.webp") -> str:
    return f"{uuid4()}/{uuid4()}/0/{name}"


class StoreConformance:
    async def test_what_goes_in_comes_out(self, store: RenditionStore, tmp_path: Path) -> None:
        key, content = new_key(), os.urandom(100_000)
        await put(store, key, content, tmp_path)
        assert await got(store, key, 0, len(content)) == content
        assert await got(store, key, 10, 20) == content[10:20]
        assert await store.has(key)

    async def test_a_large_one_comes_in_pieces(self, store: RenditionStore, tmp_path: Path) -> None:
        key, content = new_key("tiles.pack"), os.urandom(20 * MIB + 7)
        await put(store, key, content, tmp_path)
        pieces = [piece async for piece in store.read(key, ByteRange(0, len(content)))]
        assert max(map(len, pieces)) <= MIB
        assert b"".join(pieces) == content
        assert await got(store, key, len(content) - 5, len(content)) == content[-5:]

    async def test_an_empty_one_is_there(self, store: RenditionStore, tmp_path: Path) -> None:
        key = new_key()
        await put(store, key, b"", tmp_path)
        assert await store.has(key)
        assert await got(store, key, 0, 0) == b""

    async def test_what_is_put_again_is_replaced(self, store: RenditionStore, tmp_path: Path) -> None:
        key = new_key()
        await put(store, key, b"old and longer", tmp_path)
        await put(store, key, b"new", tmp_path)
        assert await got(store, key, 0, 3) == b"new"

    async def test_what_is_not_there_is_missing(self, store: RenditionStore) -> None:
        assert not await store.has(new_key())
        with pytest.raises(Missing):
            await got(store, new_key(), 0, 10)
        with pytest.raises(Missing):
            await got(store, new_key(), 0, 0)

    async def test_what_lost_its_end_is_missing(self, store: RenditionStore, tmp_path: Path) -> None:
        key = new_key()
        await put(store, key, b"abc", tmp_path)
        for start, stop in ((0, 10), (2, 4), (5, 10)):
            with pytest.raises(Missing):
                await got(store, key, start, stop)

    async def test_a_prefix_goes_with_all_below_it_and_nothing_else(
        self, store: RenditionStore, tmp_path: Path
    ) -> None:
        file, run = uuid4(), uuid4()
        gone = [f"{file}/{run}/{batch}/page-{page}-512.webp" for batch in (0, 1) for page in (1, 2)]
        kept = [f"{file}/{uuid4()}/0/thumb.webp", f"{file}/{run}0/0/thumb.webp", new_key()]
        for key in gone + kept:
            await put(store, key, b"x", tmp_path)
        await store.remove_all(f"{file}/{run}/")
        assert [await store.has(key) for key in gone] == [False] * 4
        assert [await store.has(key) for key in kept] == [True] * 3
        await store.remove_all(f"{file}/{run}/")  # nothing there: nothing done
        await store.remove_all(f"{uuid4()}/{uuid4()}/")

    async def test_it_says_that_it_is_well(self, store: RenditionStore) -> None:
        await store.probe()

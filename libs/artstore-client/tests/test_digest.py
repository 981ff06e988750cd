"""The hash of what is sent side by side."""

from __future__ import annotations

import hashlib
import io
from pathlib import Path

import anyio
import pytest
from artstore_client import errors
from artstore_client.resumable.digest import Digest
from artstore_client.source import Source

CONTENT = hashlib.shake_128(b"digest").digest(3 * 1024 * 1024 + 5)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    (tmp_path / "a").write_bytes(CONTENT)
    return tmp_path / "a"


async def test_it_follows_parts_that_end_out_of_order(path: Path) -> None:
    source = await Source.from_path(path)
    digest = Digest(source)
    async with anyio.create_task_group() as group:
        group.start_soon(digest.follow, len(CONTENT))
        for reached in (2_000_000, 1_000, 3_000_000, len(CONTENT)):
            digest.may_reach(reached)
            await anyio.lowlevel.checkpoint()
    source.close()
    assert digest.hexdigest() == hashlib.sha256(CONTENT).hexdigest()


async def test_one_stream_is_hashed_from_memory_and_only_once() -> None:
    source = await Source.from_object(io.BytesIO(CONTENT))
    digest = Digest(source)
    await digest.feed(100, CONTENT[100:200])  # a gap: read later
    await digest.feed(0, CONTENT[:1000])
    await digest.feed(500, CONTENT[500:2000])  # sent twice
    digest.may_reach(len(CONTENT))
    await digest.follow(len(CONTENT))
    assert digest.hexdigest() == hashlib.sha256(CONTENT).hexdigest()


async def test_a_file_that_ends_before_is_noticed(path: Path) -> None:
    source = await Source.from_path(path)
    digest = Digest(source)
    with path.open("r+b") as file:
        file.truncate(5)
    digest.may_reach(len(CONTENT))
    with pytest.raises(errors.SourceChanged):
        await digest.follow(len(CONTENT))
    assert not source.unchanged()
    source.close()

"""A file that wants to do harm costs its own job and no more (requirement N7)."""

from __future__ import annotations

import asyncio
import zlib
from pathlib import Path

import psutil
import pytest
from artstore_corpus import hostile, pdfs, pictures
from decoders_support import MIB, decoded, made, near, opened
from render_service.decoders.contract import DecodeFailed, Limits, MediaKind, Wanted
from render_service.decoders.run import decode


def children() -> list[psutil.Process]:
    return [one for one in psutil.Process().children() if "render_service.decoders.child" in one.cmdline()]


def interlaced(path: Path, side: int = 20_000) -> None:
    """Must be unpacked whole before its first line is known: 400 MB."""
    hostile.png(path, side, side, zlib.compress(bytes(side * side + 2 * side)), interlaced=True)


async def test_picture_that_must_be_unpacked_whole_is_stopped_at_its_memory(tmp_path: Path) -> None:
    source = made(tmp_path, "a.png", interlaced)
    with pytest.raises(DecodeFailed, match="takes more than 256 MiB of memory"):
        await decoded(source, MediaKind.IMAGE, tmp_path / "into", limits=Limits(memory_bytes=256 * MIB))


async def test_document_that_takes_too_long_is_stopped(tmp_path: Path) -> None:
    source = made(tmp_path, "a.pdf", pdfs.hundred_pages)
    with pytest.raises(DecodeFailed, match=r"takes more than 0\.7 seconds"):
        await decoded(source, MediaKind.PDF, tmp_path / "into", limits=Limits(seconds=0.7))
    assert not children()


async def test_processor_time_is_bounded_too(tmp_path: Path) -> None:
    source = made(tmp_path, "a.pdf", pdfs.hundred_pages)
    with pytest.raises(DecodeFailed, match="takes more than 1 seconds of processor time"):
        await decoded(source, MediaKind.PDF, tmp_path / "into", limits=Limits(cpu_seconds=1))


async def test_pages_are_bounded(tmp_path: Path) -> None:
    source = made(tmp_path, "a.pdf", pdfs.hundred_pages)
    with pytest.raises(DecodeFailed, match="has 100 pages, more than 20"):
        await decoded(source, MediaKind.PDF, tmp_path / "into", limits=Limits(pages=20))


async def test_what_is_written_is_bounded(tmp_path: Path) -> None:
    source = made(tmp_path, "a.jpg", pictures.photo)
    with pytest.raises(DecodeFailed, match=r"MiB|could not be written|damaged"):
        await decoded(source, MediaKind.IMAGE, tmp_path / "into", limits=Limits(file_bytes=4096))


async def test_drawing_shows_no_file_of_the_machine(tmp_path: Path) -> None:
    source = made(tmp_path, "a.svg", hostile.svg_that_links)
    found, _ = await decoded(source, MediaKind.IMAGE, tmp_path / "into")
    picture = opened(found.outputs[0])
    near(picture, 0.25, 0.5, (255, 0, 0))
    assert (picture[2] - picture[0]).max() < 60, "something blue is in it"


async def test_who_stops_waiting_stops_the_process(tmp_path: Path) -> None:
    source, into = made(tmp_path, "a.pdf", pdfs.hundred_pages), tmp_path / "into"
    into.mkdir()
    begun = asyncio.Event()
    job = asyncio.create_task(decode(source, MediaKind.PDF, Wanted(), into, Limits(), lambda *_: begun.set()))
    await begun.wait()
    assert len(children()) == 1
    job.cancel()
    with pytest.raises(asyncio.CancelledError):
        await job
    assert not children()


async def test_process_that_is_killed_is_worth_another_try(tmp_path: Path) -> None:
    source, into = made(tmp_path, "a.pdf", pdfs.hundred_pages), tmp_path / "into"
    into.mkdir()

    def kill(done: int, _total: int) -> None:
        if done == 1:
            for child in children():
                child.kill()

    with pytest.raises(DecodeFailed) as failed:
        await decode(source, MediaKind.PDF, Wanted(), into, Limits(), kill)
    assert not failed.value.permanent

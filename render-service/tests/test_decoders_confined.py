"""A file that wants to do harm costs its own job and no more (requirement N7)."""

from __future__ import annotations

import asyncio
import os
import subprocess
import sys
import zlib
from collections.abc import Callable
from pathlib import Path

import psutil
import pytest
import pyvips
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
        await decoded(source, MediaKind.PDF, tmp_path / "into", limits=Limits(seconds=0.7, page_seconds=0))
    assert not children()


async def test_processor_time_is_bounded_too(tmp_path: Path) -> None:
    source = made(tmp_path, "a.pdf", pdfs.hundred_pages)
    with pytest.raises(DecodeFailed, match="takes more than 1 seconds of processor time"):
        await decoded(source, MediaKind.PDF, tmp_path / "into", limits=Limits(cpu_seconds=1, page_seconds=0))


async def test_a_book_has_time_for_each_of_its_pages(tmp_path: Path) -> None:
    source = made(tmp_path, "a.pdf", pdfs.hundred_pages)
    limits = Limits(cpu_seconds=1, page_seconds=1)
    found, _ = await decoded(source, MediaKind.PDF, tmp_path / "into", Wanted(widths=(512,)), limits)
    assert found.technical["pages"] == 100


async def test_pages_are_bounded(tmp_path: Path) -> None:
    source = made(tmp_path, "a.pdf", pdfs.hundred_pages)
    with pytest.raises(DecodeFailed, match="has 100 pages, more than 20"):
        await decoded(source, MediaKind.PDF, tmp_path / "into", limits=Limits(pages=20))


async def test_what_is_written_is_bounded(tmp_path: Path) -> None:
    source = made(tmp_path, "a.png", noise)
    with pytest.raises(DecodeFailed, match="one of its pictures takes more than 1 MiB") as failed:
        await decoded(source, MediaKind.IMAGE, tmp_path / "into", limits=Limits(file_bytes=MIB))
    assert failed.value.permanent


def noise(path: Path) -> None:
    """What no format makes small."""
    pyvips.Image.gaussnoise(2000, 2000, mean=128, sigma=60).cast("uchar").pngsave(str(path))


@pytest.mark.parametrize(
    ("make", "kind", "name"),
    [
        (pictures.photo, MediaKind.IMAGE, "preview-2048.webp"),
        (pictures.photo, MediaKind.IMAGE, "tiles.zip"),
        (pictures.photo, MediaKind.IMAGE, "tiles"),
        (pdfs.half_and_half, MediaKind.PDF, "page-00001-2048.webp"),
    ],
)
async def test_full_disk_is_no_fault_of_the_file(
    make: Callable[[Path], None], kind: MediaKind, name: str, tmp_path: Path
) -> None:
    source, into = made(tmp_path, "a", make), tmp_path / "into"
    into.mkdir()
    (into / name).symlink_to("/dev/full")
    with pytest.raises(DecodeFailed, match="could not be written: No space left") as failed:
        await decoded(source, kind, into)
    assert not failed.value.permanent


_DECODE = """
import asyncio, sys
from pathlib import Path
from render_service.decoders.contract import Limits, MediaKind, Wanted
from render_service.decoders.run import decode
asyncio.run(decode(Path(sys.argv[1]), MediaKind.IMAGE, Wanted(), Path(sys.argv[2]), Limits(), print))
"""


def test_a_machine_of_many_processors_takes_no_more_memory(tmp_path: Path) -> None:
    """libvips takes a thread for each of them, and a thread takes memory whether it works or not."""
    source, into = made(tmp_path, "a.jpg", pictures.photo), tmp_path / "into"
    into.mkdir()
    command = [sys.executable, "-c", _DECODE, str(source), str(into)]
    done = subprocess.run(command, env=os.environ | {"VIPS_CONCURRENCY": "64"}, capture_output=True, check=False)
    assert done.returncode == 0, done.stderr.decode()


async def test_a_decoder_is_told_no_secrets_and_puts_aside_only_what_goes_with_it(tmp_path: Path) -> None:
    source, into = tmp_path / "a.png", tmp_path / "into"
    os.mkfifo(source)  # it waits there for a first byte
    into.mkdir()
    job = asyncio.create_task(decode(source, MediaKind.IMAGE, Wanted(), into, Limits(), print))
    while not (found := children()):  # noqa: ASYNC110  a process of its own begins
        await asyncio.sleep(0.01)
    environment = found[0].environ()
    job.cancel()
    await asyncio.wait({job})
    assert "PYTEST_CURRENT_TEST" in os.environ  # as a worker's settings are: said to it alone
    assert "PYTEST_CURRENT_TEST" not in environment
    assert environment["TMPDIR"] == str(into)


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

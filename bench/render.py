"""`python -m bench.render`: our decoders beside pdftoppm, mutool, ImageMagick and vips, on the same files in one run.

Each case runs in a process of its own (and the processes that it starts), in turns, `--repetitions` times; the medians stand
in a Markdown table: seconds on the clock, seconds of processor, the largest memory of one process, and the ratio to ours.
"""

from __future__ import annotations

import argparse
import asyncio
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import pyvips
from artstore_corpus import documents, pdfs
from render_service.decoders.contract import Limits, MediaKind, Output, Wanted
from render_service.decoders.office import Office, found_program
from render_service.decoders.run import Decoders

WIDTHS = (512, 1024, 2048)
OURS = "ArtStore"


@dataclass(frozen=True)
class Measured:
    """`first`: seconds until the first picture was whole, where the command says so."""

    seconds: float
    cpu_seconds: float
    memory_mib: float
    first: float | None


@dataclass(frozen=True)
class Case:
    """`commands(directory)` is what a shell runs in an empty directory."""

    name: str
    needs: Sequence[str]
    command: Callable[[Path], str]


def main() -> None:
    options = _options()
    with tempfile.TemporaryDirectory(prefix="artstore-bench-") as found:
        directory = Path(found)
        _pages(directory, options.pages, options.repetitions)
        _photo(directory, options.repetitions)
        _deep_zoom(directory, options.side, options.repetitions)
        asyncio.run(_office(directory))


def _pages(directory: Path, pages: int, repetitions: int) -> None:
    source = directory / "pages.pdf"
    pdfs.hundred_pages(source, pages)
    cases = [
        Case(OURS, (), partial(_ours, source, MediaKind.PDF)),
        Case(
            "pdftoppm + cwebp",
            ("pdftoppm", "cwebp"),
            partial(_drawn, source, "pdftoppm -r 72 -scale-to-x {w} -scale-to-y -1 -png {f} w{w}"),
        ),
        Case(
            "mutool + cwebp", ("mutool", "cwebp"), partial(_drawn, source, "mutool draw -q -w {w} -o w{w}-%d.png {f}")
        ),
    ]
    _table(f"PDF, {pages} pages in the widths {WIDTHS}, WebP", cases, directory, repetitions)


def _deep_zoom(directory: Path, side: int, repetitions: int) -> None:
    source = directory / "large.jpg"
    noise = pyvips.Image.perlin(side, side, uchar=True)
    noise.bandjoin([noise.rot90(), noise.rot180()]).copy(interpretation="srgb").jpegsave(str(source), Q=85)
    tiles = f"vips dzsave {source} tiles --tile-size 256 --overlap 0 --suffix '.jpg[Q=85]' --container zip"
    cases = [
        Case(OURS, (), partial(_ours, source, MediaKind.IMAGE)),
        Case(f"{OURS}, the tiles alone", (), partial(_tiles, source)),
        Case("vips dzsave", ("vips",), lambda _: tiles),
    ]
    _table(f"Deep zoom of a picture of {side} × {side}", cases, directory, repetitions)


def _photo(directory: Path, repetitions: int) -> None:
    source = directory / "photo.jpg"
    pyvips.Image.perlin(6000, 4000, uchar=True).bandjoin(
        [pyvips.Image.xyz(6000, 4000)[0].cast("uchar", shift=False)] * 2
    ).copy(interpretation="srgb").jpegsave(str(source), Q=90)
    cases = [
        Case(OURS, (), partial(_ours, source, MediaKind.IMAGE, tiles=False)),
        Case(
            "vipsthumbnail",
            ("vipsthumbnail",),
            partial(_each, f"vipsthumbnail {source} -s {{w}}x -o w{{w}}.webp[Q=80]"),
        ),
        Case("ImageMagick", ("convert",), partial(_each, f"convert {source} -resize {{w}}x -quality 80 w{{w}}.webp")),
    ]
    _table(f"Photograph of 24 megapixels in the widths {WIDTHS}, WebP (ours also whole)", cases, directory, repetitions)


async def _office(directory: Path) -> None:
    program = found_program()
    if program is None:
        print("LibreOffice is not installed: no office documents\n")
        return
    office = Office(directory / "office", program)
    decoders = Decoders(office)
    print("## Five pages of office, LibreOffice warm\n\n| document | first page, s | all, s |\n|---|---:|---:|")
    for name, make in (("a.docx", documents.docx), ("a.xlsx", documents.xlsx), ("a.pptx", documents.pptx)):
        source = directory / name
        make(source)
        for turn in range(2):
            into = directory / f"{name}-{turn}"
            into.mkdir()
            begun, first = time.monotonic(), list[float]()

            def ready(_: Output, begun: float = begun, first: list[float] = first) -> None:
                first.append(time.monotonic() - begun)

            await decoders.decode(source, MediaKind.OFFICE, Wanted(), into, Limits(), lambda *_: None, ready)
        print(f"| {name[2:].upper()} | {first[0]:.2f} | {time.monotonic() - begun:.2f} |")
    await office.aclose()


def _ours(source: Path, kind: MediaKind, directory: Path, *, tiles: bool = True) -> str:
    return f"{sys.executable} -m bench.render_ours {source} {kind.value} {directory} {'tiles' if tiles else ''}"


def _each(command: str, _directory: Path) -> str:
    return "; ".join(command.format(w=width) for width in WIDTHS)


def _tiles(source: Path, directory: Path) -> str:
    code = (
        "import pyvips; from pathlib import Path; from render_service.decoders.tiles import write_tiles; "
        f"write_tiles(pyvips.Image.new_from_file('{source}', access='sequential'), Path('{directory}/tiles'))"
    )
    return f'{sys.executable} -c "{code}"'


def _drawn(source: Path, draw: str, _directory: Path) -> str:
    """Both processors at work: the widths one after another, their WebP two at a time."""
    each = "; ".join(draw.format(w=width, f=source) for width in WIDTHS)
    return f"{each}; ls *.png | xargs -P 2 -I @ cwebp -quiet -q 80 @ -o @.webp"


def _table(title: str, cases: Sequence[Case], directory: Path, repetitions: int) -> None:
    able = [case for case in cases if all(shutil.which(program) for program in case.needs)]
    found: dict[str, list[Measured]] = {case.name: [] for case in able}
    for _ in range(repetitions):
        for case in able:
            with _empty(directory) as place:
                found[case.name].append(_measured(case.command(place), place))
    print(
        f"## {title}\n\n| | first, s | all, s | processor, s | memory, MiB | to ours |\n|---|---:|---:|---:|---:|---:|"
    )
    ours = statistics.median(one.seconds for one in found[OURS])
    for name, runs in found.items():
        seconds, cpu, memory = (
            statistics.median(getattr(one, field) for one in runs) for field in ("seconds", "cpu_seconds", "memory_mib")
        )
        first = [one.first for one in runs if one.first is not None]
        shown = f"{statistics.median(first):.2f}" if first else ""
        print(f"| {name} | {shown} | {seconds:.2f} | {cpu:.2f} | {memory:.0f} | {seconds / ours:.2f} |")
    for case in cases:
        if case not in able:
            print(f"| {case.name} | | not installed | | | |")
    print(flush=True)


@contextmanager
def _empty(directory: Path) -> Iterator[Path]:
    place = Path(tempfile.mkdtemp(dir=directory))
    yield place
    shutil.rmtree(place)


def _measured(command: str, place: Path) -> Measured:
    """Of the shell and all that it waits for (wait4)."""
    root = Path(__file__).parents[1]
    environment = os.environ | {"PYTHONPATH": str(root)}
    begun = time.monotonic()
    with subprocess.Popen(
        ["bash", "-ec", command], cwd=place, stdout=subprocess.PIPE, text=True, env=environment
    ) as process:
        assert process.stdout is not None
        said = process.stdout.read().split()
        _, status, usage = os.wait4(process.pid, 0)
        process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode:
        raise RuntimeError(f"it failed: {command}")
    first = float(said[-1]) if "render_ours" in command else None
    return Measured(time.monotonic() - begun, usage.ru_utime + usage.ru_stime, usage.ru_maxrss / 1024, first)


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--pages", type=int, default=100)
    parser.add_argument("--side", type=int, default=20_000, help="pixels of the large picture's side")
    parser.add_argument("--repetitions", type=int, default=3)
    return parser.parse_args()


if __name__ == "__main__":
    main()

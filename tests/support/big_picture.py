"""A large picture whose corners are fine patterns: they can be told from anything that is less than sharp."""

from __future__ import annotations

import random
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import pyvips
from PIL import Image, ImageChops, ImageDraw, ImageFont, ImageStat

Draw = Callable[[Image.Image], None]

CELL: Final = 64
COLUMNS, ROWS = 8, 6
CORNER: Final = (COLUMNS * CELL, ROWS * CELL)
"""Pixels of a corner's pattern."""
_GROUND: Final = 64
"""The colours between the corners are of a picture so many times smaller."""
_QUALITY: Final = 95


@dataclass(frozen=True, slots=True)
class BigPicture:
    """`corners`: what stands there, by the place of its left upper pixel."""

    path: Path
    width: int
    height: int
    corners: dict[tuple[int, int], Image.Image]


def big_picture(path: Path, width: int, height: int) -> BigPicture:
    """A JPEG, written a strip at a time: at 20,000 x 20,000 it would take 1.2 GB of memory."""
    places = [(0, 0), (width - CORNER[0], height - CORNER[1])]
    corners = {place: pattern(number, f"{width:,} x {height:,}") for number, place in enumerate(places)}
    image = _ground(width, height)
    for (x, y), corner in corners.items():
        image = image.insert(_vips(corner), x, y)
    image.jpegsave(str(path), Q=_QUALITY, subsample_mode=pyvips.ForeignSubsample.OFF)
    return BigPicture(path, width, height, corners)


def pattern(seed: int, words: str) -> Image.Image:
    """Cells of one-pixel patterns, plain colours and small print, no two corners alike."""
    kinds: list[Draw] = [*_CELLS, lambda cell: _print(cell, words)]
    cells = (kinds * (COLUMNS * ROWS // len(kinds) + 1))[: COLUMNS * ROWS]
    random.Random(seed).shuffle(cells)
    image = Image.new("RGB", CORNER)
    for number, draw in enumerate(cells):
        cell = Image.new("RGB", (CELL, CELL), "white")
        draw(cell)
        image.paste(cell, (number % COLUMNS * CELL, number // COLUMNS * CELL))
    return image


def difference(one: Image.Image, other: Image.Image) -> float:
    """Of their brightness, the mean of all pixels, 0 to 255."""
    return float(ImageStat.Stat(ImageChops.difference(one.convert("L"), other.convert("L"))).mean[0])


def colour_difference(one: Image.Image, other: Image.Image) -> float:
    """Of the channel that is furthest away, the mean of all pixels, 0 to 255."""
    return max(ImageStat.Stat(ImageChops.difference(one.convert("RGB"), other.convert("RGB"))).mean)


def blurred(image: Image.Image) -> Image.Image:
    """As the next smaller level of the pyramid would show it."""
    half = image.resize((image.width // 2, image.height // 2), Image.Resampling.BOX)
    return half.resize(image.size, Image.Resampling.BILINEAR)


def _dotted(black: Callable[[int, int], bool]) -> Draw:
    def draw(cell: Image.Image) -> None:
        for x in range(CELL):
            for y in range(CELL):
                if black(x, y):
                    cell.putpixel((x, y), (0, 0, 0))

    return draw


def _plain(colour: str) -> Draw:
    return lambda cell: cell.paste(colour, (0, 0, CELL, CELL))


def _print(cell: Image.Image, words: str) -> None:
    font = ImageFont.load_default(9)
    for line, text in enumerate(["ArtStore", *words.split(" x "), "one to one", "sharp"]):
        ImageDraw.Draw(cell).text((3, 3 + 12 * line), text, fill="black", font=font)


_CELLS: Final[list[Draw]] = [
    _dotted(lambda x, y: (x + y) % 2 == 0),
    _dotted(lambda x, _: x % 2 == 0),
    _dotted(lambda _, y: y % 2 == 0),
    _dotted(lambda x, y: (x + y) % 4 == 0),
    _plain("#c0392b"),
    _plain("#1f6f54"),
    _plain("#22509e"),
]


def _ground(width: int, height: int) -> pyvips.Image:
    """Slow waves of colour, which cost a JPEG little."""
    place = pyvips.Image.xyz(-(-width // _GROUND) + 1, -(-height // _GROUND) + 1)
    x, y = place[0] * (1440 * _GROUND / width), place[1] * (1440 * _GROUND / height)
    bands = [(x + y).sin(), (x - y * 0.7).sin(), (y + x * 0.3).cos()]
    small = bands[0].bandjoin(bands[1:]) * [60, 50, 40] + [150, 160, 180]
    large = small.cast("uchar").copy(interpretation="srgb").resize(_GROUND, kernel=pyvips.Kernel.LINEAR)
    return large.crop(0, 0, width, height)


def _vips(image: Image.Image) -> pyvips.Image:
    made = pyvips.Image.new_from_memory(image.tobytes(), image.width, image.height, 3, "uchar")
    return made.copy(interpretation="srgb")

"""A deep zoom pyramid in one file, so that a picture does not cost a million inodes (requirement N8).

The file: the tiles, each a JPEG, back to back; then the index, one entry of 12 bytes a tile; then the foot.

    entry   8 bytes offset, 4 bytes length, big-endian; level by level from the smallest, each row by row
    foot    8 bytes "AStiles1", 4 bytes each: width, height, tile size, number of entries, all big-endian

Level `n` of `levels` is the picture halved `levels - 1 - n` times, rounded up, as DZI has it (level 0 is one pixel). Tiles do
not overlap, so the same ones are those of IIIF Image API 3 at scale factors 1, 2, 4, …
"""

from __future__ import annotations

import struct
import zipfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Self

import pyvips

TILE_SIZE: Final = 256
MEDIA_TYPE: Final = "application/vnd.artstore.tiles"
TILE_MEDIA_TYPE: Final = "image/jpeg"
FOOT: Final = struct.Struct(">8sIIII")
ENTRY: Final = struct.Struct(">QI")
_MAGIC: Final = b"AStiles1"
_QUALITY: Final = 85


@dataclass(frozen=True, slots=True)
class Pyramid:
    """The shape of one. `width` and `height` in pixels."""

    width: int
    height: int
    tile_size: int = TILE_SIZE

    @property
    def levels(self) -> int:
        return max(self.width - 1, self.height - 1, 0).bit_length() + 1

    def size(self, level: int) -> tuple[int, int]:
        shift = self.levels - 1 - level
        return _halved(self.width, shift), _halved(self.height, shift)

    def grid(self, level: int) -> tuple[int, int]:
        """Columns and rows."""
        width, height = self.size(level)
        return -(-width // self.tile_size), -(-height // self.tile_size)

    def number(self, level: int, column: int, row: int) -> int | None:
        """Of a tile's entry in the index; None where there is no such tile."""
        if not 0 <= level < self.levels:
            return None
        columns, rows = self.grid(level)
        if not (0 <= column < columns and 0 <= row < rows):
            return None
        before = sum(wide * high for wide, high in map(self.grid, range(level)))
        return before + row * columns + column

    @property
    def tiles(self) -> int:
        return sum(columns * rows for columns, rows in map(self.grid, range(self.levels)))


@dataclass(frozen=True, slots=True)
class Foot:
    """What the last bytes of a packed pyramid say. `index_offset` counts from the file's start."""

    pyramid: Pyramid
    index_offset: int

    @classmethod
    def parse(cls, foot: bytes, file_size: int) -> Self:
        """`foot`: the last `FOOT.size` bytes. Raises ValueError for what is no foot."""
        if len(foot) != FOOT.size:
            raise ValueError("the file is too short to hold tiles")
        magic, width, height, tile_size, entries = FOOT.unpack(foot)
        if magic != _MAGIC:
            raise ValueError("the file does not hold tiles")
        pyramid = Pyramid(width, height, tile_size)
        if tile_size < 1 or pyramid.tiles != entries:
            raise ValueError("the index does not fit the picture")
        return cls(pyramid, file_size - FOOT.size - entries * ENTRY.size)


def entry(index: bytes, number: int) -> tuple[int, int]:
    """Offset and length of a tile."""
    offset, length = ENTRY.unpack_from(index, number * ENTRY.size)
    return offset, length


def write_tiles(image: pyvips.Image, path: Path) -> Pyramid:
    """Reads the picture once, from top to bottom."""
    pyramid = Pyramid(image.width, image.height)
    made = path.with_suffix(".zip")
    image.dzsave(
        str(made),
        layout=pyvips.ForeignDzLayout.DZ,
        container=pyvips.ForeignDzContainer.ZIP,
        compression=0,
        suffix=f".jpg[Q={_QUALITY},optimize_coding=false,keep=none]",
        overlap=0,
        tile_size=TILE_SIZE,
        depth=pyvips.ForeignDzDepth.ONEPIXEL,
        imagename="t",
    )
    _packed(made, path, pyramid)
    made.unlink()
    return pyramid


def _packed(made: Path, path: Path, pyramid: Pyramid) -> None:
    with zipfile.ZipFile(made) as source, path.open("wb") as target:
        names = {name.partition("_files/")[2]: name for name in source.namelist()}
        index, offset = bytearray(), 0
        for level, column, row in _in_order(pyramid):
            tile = source.read(names[f"{level}/{column}_{row}.jpg"])
            target.write(tile)
            index += ENTRY.pack(offset, len(tile))
            offset += len(tile)
        target.write(index)
        target.write(FOOT.pack(_MAGIC, pyramid.width, pyramid.height, pyramid.tile_size, pyramid.tiles))


def _in_order(pyramid: Pyramid) -> Iterator[tuple[int, int, int]]:
    for level in range(pyramid.levels):
        columns, rows = pyramid.grid(level)
        yield from ((level, column, row) for row in range(rows) for column in range(columns))


def _halved(length: int, times: int) -> int:
    return (length + (1 << times) - 1) >> times

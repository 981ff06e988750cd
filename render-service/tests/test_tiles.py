"""A packed pyramid: its shape is DZI's, each tile is where the index says."""

from __future__ import annotations

from pathlib import Path

import pytest
import pyvips
from render_service.decoders.tiles import ENTRY, FOOT, Foot, Pyramid, entry, write_tiles


@pytest.mark.parametrize(
    ("width", "height", "levels", "grids"),
    [
        (1, 1, 1, {0: (1, 1)}),
        (2, 1, 2, {1: (1, 1)}),
        (256, 256, 9, {8: (1, 1)}),
        (257, 256, 10, {9: (2, 1), 8: (1, 1)}),
        (900, 600, 11, {10: (4, 3), 9: (2, 2), 8: (1, 1)}),
        (20_000, 20_000, 16, {15: (79, 79), 14: (40, 40)}),
    ],
)
def test_shape_is_dzis(width: int, height: int, levels: int, grids: dict[int, tuple[int, int]]) -> None:
    pyramid = Pyramid(width, height)
    assert pyramid.levels == levels
    assert {level: pyramid.grid(level) for level in grids} == grids
    assert pyramid.size(0) == (1, 1)
    assert pyramid.size(levels - 1) == (width, height)


def test_tile_outside_of_it_is_none() -> None:
    pyramid = Pyramid(900, 600)
    outside = [(11, 0, 0), (-1, 0, 0), (10, 4, 0), (10, 0, 3), (10, -1, 0)]
    assert [pyramid.number(*place) for place in outside] == [None] * len(outside)
    numbers = [
        pyramid.number(level, column, row)
        for level in range(pyramid.levels)
        for row in range(pyramid.grid(level)[1])
        for column in range(pyramid.grid(level)[0])
    ]
    assert numbers == list(range(pyramid.tiles))


def test_each_tile_is_that_part_of_the_picture(tmp_path: Path) -> None:
    ramp = pyvips.Image.xyz(700, 300)
    image = ramp[0].bandjoin([ramp[1], ramp[0] * 0]).cast("uchar", shift=False)
    image = (image * [0.3, 0.8, 0]).cast("uchar").copy(interpretation="srgb")
    path = tmp_path / "tiles"
    pyramid = write_tiles(image, path)
    packed = path.read_bytes()
    foot = Foot.parse(packed[-FOOT.size :], len(packed))
    assert foot.pyramid == pyramid
    index = packed[foot.index_offset : -FOOT.size]
    assert len(index) == pyramid.tiles * ENTRY.size
    columns, rows = pyramid.grid(pyramid.levels - 1)
    for column in range(columns):
        for row in range(rows):
            number = pyramid.number(pyramid.levels - 1, column, row)
            assert number is not None
            offset, length = entry(index, number)
            tile = pyvips.Image.new_from_buffer(packed[offset : offset + length], "")
            part = image.crop(column * 256, row * 256, min(256, 700 - column * 256), min(256, 300 - row * 256))
            assert (tile.width, tile.height) == (part.width, part.height)
            assert (tile - part).abs().avg() < 3
    assert [one.name for one in tmp_path.iterdir()] == ["tiles"]


@pytest.mark.parametrize("foot", [b"", b"x" * FOOT.size, FOOT.pack(b"AStiles1", 900, 600, 256, 5)])
def test_what_is_no_pyramid_is_not_taken_for_one(foot: bytes) -> None:
    with pytest.raises(ValueError, match=r"tiles|index"):
        Foot.parse(foot, 10_000)

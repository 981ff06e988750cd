"""A picture's tiles, as Deep Zoom and as IIIF name them: one packed file, two ways to ask for its parts."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any, Final

from artstore_core.errors import NotFound

from render_service.decoders.tiles import Pyramid

_REGION: Final = re.compile(r"(\d{1,7}),(\d{1,7}),(\d{1,7}),(\d{1,7})")
_SIZE: Final = re.compile(r"(\d{1,7})?,(\d{1,7})?")
_CONTEXT: Final = "http://iiif.io/api/image/3/context.json"


@dataclass(frozen=True, slots=True)
class Tile:
    """As DZI counts: level 0 is one pixel."""

    level: int
    column: int
    row: int


def dzi(pyramid: Pyramid) -> str:
    """The descriptor that a Deep Zoom viewer begins with."""
    return (
        '<?xml version="1.0" encoding="UTF-8"?>\n'
        '<Image xmlns="http://schemas.microsoft.com/deepzoom/2008" Format="jpg" Overlap="0"'
        f' TileSize="{pyramid.tile_size}"><Size Width="{pyramid.width}" Height="{pyramid.height}"/></Image>\n'
    )


def info(pyramid: Pyramid, base: str) -> dict[str, Any]:
    """`info.json` of an image at level 0: tiles, and whole pictures no larger than one (IIIF Image API 3.0 §5)."""
    whole = [pyramid.size(level) for level in _whole_levels(pyramid)]
    return {
        "@context": _CONTEXT,
        "id": base,
        "type": "ImageService3",
        "protocol": "http://iiif.io/api/image",
        "profile": "level0",
        "width": pyramid.width,
        "height": pyramid.height,
        "maxWidth": whole[-1][0],
        "maxHeight": whole[-1][1],
        "sizes": [{"width": width, "height": height} for width, height in whole],
        "tiles": [{"width": pyramid.tile_size, "scaleFactors": [1 << shift for shift in range(_shifts(pyramid))]}],
    }


def iiif_tile(pyramid: Pyramid, region: str, size: str) -> Tile:
    """The tile that this region at this size is (§4.1, §4.2). Raises NotFound for what is not one: nothing is scaled."""
    if region == "full":
        return _whole(pyramid, size)
    if (found := _REGION.fullmatch(region)) is None:
        raise _no_such_tile()
    x, y, width, height = map(int, found.groups())
    for shift in range(_shifts(pyramid)):
        covered = pyramid.tile_size << shift
        if x % covered or y % covered or x >= pyramid.width or y >= pyramid.height:
            continue
        if (width, height) != (min(covered, pyramid.width - x), min(covered, pyramid.height - y)):
            continue
        if _fits(size, _scaled(width, shift), _scaled(height, shift)):
            return Tile(pyramid.levels - 1 - shift, x // covered, y // covered)
    raise _no_such_tile()


def _whole(pyramid: Pyramid, size: str) -> Tile:
    levels = _whole_levels(pyramid)
    for level in levels:
        if _fits(size, *pyramid.size(level)) or (size == "max" and level == levels[-1]):
            return Tile(level, 0, 0)
    raise _no_such_tile()


def _whole_levels(pyramid: Pyramid) -> list[int]:
    """Those that are one tile."""
    return [level for level in range(pyramid.levels) if pyramid.grid(level) == (1, 1)]


def _shifts(pyramid: Pyramid) -> int:
    """Scale factors down to the picture in one tile; smaller ones are among the sizes."""
    return pyramid.levels - _whole_levels(pyramid)[-1]


def _scaled(length: int, shift: int) -> int:
    return (length + (1 << shift) - 1) >> shift


def _fits(size: str, width: int, height: int) -> bool:
    if (found := _SIZE.fullmatch(size)) is None or found[0] == ",":
        return False
    return found[1] in (None, str(width)) and found[2] in (None, str(height))


def _no_such_tile() -> NotFound:
    return NotFound("There is no such tile")

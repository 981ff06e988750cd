"""Pictures by libvips: smaller ones, WebP, deep zoom (requirement N2)."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Final

import pyvips

from render_service.decoders import tiles
from render_service.decoders.confine import allow_pages
from render_service.decoders.contract import (
    Decoded,
    DecodeFailed,
    Limits,
    Output,
    Progress,
    Ready,
    RenditionKind,
    Wanted,
)
from render_service.decoders.failures import explained
from render_service.decoders.heic import unpacked
from render_service.decoders.pictures import LONGEST_WEBP, WEBP, Pictures, save

_LOADERS: Final = frozenset({"jpegload", "pngload", "webpload", "heifload", "tiffload", "gifload", "svgload"})
"""libvips could open far more: what nobody asked for is only more to be broken into by."""
_LARGEST_SVG: Final = 32 * 1024 * 1024
"""Bytes. It is read whole."""
_SVG_SIDE: Final = 2048
"""Pixels of its longer side when it is drawn: it has no size of its own that would matter."""
_MOST_SVG_SCALE: Final = 32.0
_MOST_WEBP_PIXELS: Final = 100_000_000
"""A larger picture is looked at by its tiles."""


def decode_image(source: Path, wanted: Wanted, into: Path, limits: Limits, step: Progress, ready: Ready) -> Decoded:
    with explained(limits):
        return _decoded(source, wanted, into, limits, step, ready)


def _decoded(source: Path, wanted: Wanted, into: Path, limits: Limits, step: Progress, ready: Ready) -> Decoded:
    header = _opened(source)
    if header.get_typeof("heif-compression") and header.get("heif-compression") == "hevc":
        _check(header, 1, limits)
        source = unpacked(source, into / "unpacked.tiff")
        header = _opened(source)
    count = header.get_n_pages() if header.get("vips-loader").startswith("tiffload") else 1
    _check(header, count, limits)
    technical = _technical(header, count)
    if count > 1:
        return Decoded(_pages(source, count, wanted, into, limits, step, ready), technical)
    with Pictures(into, wanted, ready, limits.threads_here) as pictures:
        pictures.add(_upright(source, max(wanted.widths)), RenditionKind.PREVIEW, thumb=True)
        if wanted.tiles:
            pictures.submit(lambda: _tiles(source, into))
        if header.width * header.height <= _MOST_WEBP_PIXELS and max(header.width, header.height) <= LONGEST_WEBP:
            pictures.submit(lambda: _webp(source, into))
    step(1, 1)
    return Decoded(pictures.made, technical)


def _pages(
    source: Path, count: int, wanted: Wanted, into: Path, limits: Limits, step: Progress, ready: Ready
) -> list[Output]:
    """Of a TIFF of several, as of a document."""
    numbers = range(1, count + 1) if wanted.pages is None else [page for page in wanted.pages if 1 <= page <= count]
    allow_pages(limits, len(numbers))
    with Pictures(into, wanted, ready, limits.threads_here) as pictures:
        for done, number in enumerate(numbers, 1):
            image = _upright(source, max(wanted.widths), page=number - 1)
            pictures.add(image, RenditionKind.PAGE, number, thumb=number == 1)
            pictures.whole(lambda done=done: step(done, len(numbers)))  # type: ignore[misc]
    return pictures.made


def _opened(source: Path, **options: Any) -> pyvips.Image:
    """By its content, whatever its name says. Raises DecodeFailed for a format that is not on the list."""
    loader = (
        pyvips.Image.new_from_file(str(source), access="sequential", **options) if not _is_svg(source) else _svg(source)
    )
    name = loader.get("vips-loader").removesuffix("_buffer").removesuffix("_source")
    if name not in _LOADERS:
        raise DecodeFailed("not a picture of a kind that is known here", permanent=True)
    return loader


def _is_svg(source: Path) -> bool:
    with source.open("rb") as file:
        start = file.read(1024).lstrip(b"\xef\xbb\xbf \t\r\n")
    return start.startswith((b"<", b"\xff\xfe<", b"\xfe\xff\0<", b"\x1f\x8b"))


def _svg(source: Path) -> pyvips.Image:
    # From memory: without a place of its own it can name no other file; scripts are never run (librsvg).
    if source.stat().st_size > _LARGEST_SVG:
        raise DecodeFailed(f"an SVG of more than {_LARGEST_SVG // 2**20} MiB", permanent=True)
    content = source.read_bytes()
    size = pyvips.Image.svgload_buffer(content)
    # Drawn at any size with the same sharpness, and once: each part that is looked at would be drawn anew.
    scale = min(_SVG_SIDE / max(size.width, size.height), _MOST_SVG_SCALE)
    return pyvips.Image.svgload_buffer(content, scale=scale).copy_memory()


def _check(image: pyvips.Image, pages: int, limits: Limits) -> None:
    if pages > limits.pages:
        raise DecodeFailed(f"has {pages} pages, more than {limits.pages}", permanent=True)
    if image.width * image.height > limits.pixels:
        found, most = (f"{pixels / 1e6:,.0f}" for pixels in (image.width * image.height, limits.pixels))
        raise DecodeFailed(f"has {found} million pixels, more than {most} million", permanent=True)


def _upright(source: Path, width: int, page: int = 0) -> pyvips.Image:
    """So wide at most, turned as the camera was held (EXIF), in sRGB, in memory."""
    options = {"size": pyvips.Size.DOWN, "height": LONGEST_WEBP, "output_profile": "srgb"}
    if _is_svg(source):
        image = _svg(source).thumbnail_image(width, **options)
    else:
        name = f"{source}[page={page}]" if page else str(source)
        image = pyvips.Image.thumbnail(name, width, fail_on=pyvips.FailOn.TRUNCATED, **options)
    return _plain(image).copy_memory()


def _whole(source: Path) -> pyvips.Image:
    image = _opened(source) if _is_svg(source) else _opened(source, fail_on=pyvips.FailOn.TRUNCATED)
    if image.get_typeof("orientation") and image.get("orientation") > 1:
        # Turning reads it out of order: it is held in memory, or on disk where it is large.
        image = pyvips.Image.new_from_file(str(source), fail_on=pyvips.FailOn.TRUNCATED).autorot()
    if image.get_typeof("icc-profile-data") or image.interpretation == pyvips.Interpretation.CMYK:
        image = image.icc_transform("srgb", embedded=True, intent=pyvips.Intent.PERCEPTUAL)
    return _plain(image.colourspace(pyvips.Interpretation.SRGB))


def _plain(image: pyvips.Image) -> pyvips.Image:
    """8 bits a channel."""
    return image if image.format == "uchar" else image.cast("uchar")


def _tiles(source: Path, into: Path) -> list[Output]:
    image = _whole(source)
    if image.hasalpha():
        image = image.flatten(background=255)
    path = into / "tiles"
    pyramid = tiles.write_tiles(image, path)
    details = {"tile_size": pyramid.tile_size, "levels": pyramid.levels}
    return [Output(RenditionKind.TILE, path, tiles.MEDIA_TYPE, pyramid.width, pyramid.height, details=details)]


def _webp(source: Path, into: Path) -> list[Output]:
    image, path = _whole(source), into / "whole.webp"
    save(image, path, WEBP)
    return [Output(RenditionKind.WEBP, path, WEBP, image.width, image.height)]


def _technical(image: pyvips.Image, pages: int) -> dict[str, Any]:
    turned = image.get_typeof("orientation") and image.get("orientation") >= 5
    width, height = (image.height, image.width) if turned else (image.width, image.height)
    return {
        "width": width,
        "height": height,
        "pages": pages,
        "frames": image.get_n_pages(),
        "channels": image.bands,
        "bits": image.get("bits-per-sample") if image.get_typeof("bits-per-sample") else _bits(image),
        "colour_space": str(image.interpretation),
        "has_profile": bool(image.get_typeof("icc-profile-data")),
        "orientation": image.get("orientation") if image.get_typeof("orientation") else 1,
    }


def _bits(image: pyvips.Image) -> int:
    return {"uchar": 8, "ushort": 16}.get(image.format, 32)

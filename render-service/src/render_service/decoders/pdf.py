"""PDF by PDFium: its pages as pictures (requirement N1)."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any, Final

import pypdfium2
import pyvips
from pypdfium2 import raw

from render_service.decoders.confine import allow_pages
from render_service.decoders.contract import (
    Decoded,
    DecodeFailed,
    Limits,
    Progress,
    Ready,
    RenditionKind,
    Wanted,
)
from render_service.decoders.failures import explained
from render_service.decoders.pictures import LONGEST_WEBP, Pictures

_MOST_PIXELS: Final = 50_000_000
"""Of one page. A page of a plan can be metres long: it is drawn smaller than was asked, but whole."""
_MESSAGES: Final = {
    raw.FPDF_ERR_PASSWORD: "password-protected PDF",
    raw.FPDF_ERR_SECURITY: "PDF protected in a way that is not known",
    raw.FPDF_ERR_FORMAT: "not a PDF, or one that is damaged",
    raw.FPDF_ERR_FILE: "not a PDF, or one that is damaged",
}


def decode_pdf(source: Path, wanted: Wanted, into: Path, limits: Limits, step: Progress, ready: Ready) -> Decoded:
    document = _opened(source)
    count = len(document)
    if not count:
        raise DecodeFailed("a PDF without pages", permanent=True)
    if count > limits.pages:
        raise DecodeFailed(f"has {count} pages, more than {limits.pages}", permanent=True)
    numbers = _numbers(wanted.pages, count)
    allow_pages(limits, len(numbers))
    with explained(limits), Pictures(into, wanted, ready, limits.threads_here) as pictures:
        for done, number in enumerate(numbers, 1):
            image = _drawn(document, number, max(wanted.widths), pictures.room)
            pictures.add(image, RenditionKind.PAGE, number, thumb=number == 1)
            pictures.whole(lambda done=done: step(done, len(numbers)))  # type: ignore[misc]
    return Decoded(pictures.made, {"pages": count, **_size(document)})


def _opened(source: Path) -> pypdfium2.PdfDocument:
    try:
        document = pypdfium2.PdfDocument(source)
    except pypdfium2.PdfiumError as error:
        raise DecodeFailed(_MESSAGES.get(error.err_code, "a PDF that cannot be read"), permanent=True) from error
    with suppress(pypdfium2.PdfiumError):
        document.init_forms()  # else forms are drawn without what was filled in
    return document


def _numbers(pages: Sequence[int] | None, count: int) -> list[int]:
    if pages is None:
        return list(range(1, count + 1))
    found = sorted({number for number in pages if 1 <= number <= count})
    if not found:
        raise DecodeFailed(f"has {count} pages, and none of those that were asked for", permanent=True)
    return found


def _drawn(document: pypdfium2.PdfDocument, number: int, width: int, room: Callable[[int], None]) -> pyvips.Image:
    try:
        page = document[number - 1]
        try:
            scale = _scale(page.get_size(), width)
            room(math.ceil(page.get_width() * scale) * math.ceil(page.get_height() * scale))
            bitmap = page.render(scale=scale, rev_byteorder=True, maybe_alpha=False, prefer_bgrx=True)
        finally:
            page.close()
    except pypdfium2.PdfiumError as error:
        raise DecodeFailed(f"page {number} cannot be drawn", permanent=True) from error
    image = pyvips.Image.new_from_memory(bitmap.buffer, bitmap.width, bitmap.height, bitmap.n_channels, "uchar")
    return image.extract_band(0, n=3).copy(interpretation="srgb")


def _scale(points: tuple[float, float], width: int) -> float:
    """Pixels a point (1/72 inch)."""
    points_wide, points_high = points
    if not (0 < points_wide < math.inf and 0 < points_high < math.inf):
        raise DecodeFailed("has a page without a size", permanent=True)
    return min(width / points_wide, LONGEST_WEBP / points_high, math.sqrt(_MOST_PIXELS / (points_wide * points_high)))


def _size(document: pypdfium2.PdfDocument) -> dict[str, Any]:
    width, height = document.get_page_size(0)
    return {"page_width_points": round(width, 2), "page_height_points": round(height, 2)}

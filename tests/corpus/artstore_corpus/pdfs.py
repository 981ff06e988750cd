"""PDFs."""

from __future__ import annotations

import io
from pathlib import Path
from typing import Final

from PIL import Image, ImageDraw
from reportlab.lib.pagesizes import A4
from reportlab.lib.pdfencrypt import StandardEncryption
from reportlab.lib.utils import ImageReader
from reportlab.pdfbase import pdfmetrics
from reportlab.pdfbase.ttfonts import TTFont
from reportlab.pdfgen.canvas import Canvas

_DEJAVU: Final = Path("/usr/share/fonts/truetype/dejavu/DejaVuSans.ttf")
_TEXT: Final = "The quick brown fox jumps over the lazy dog. " * 2
_RUSSIAN: Final = "Съешь же ещё этих мягких французских булок, да выпей чаю"


def hundred_pages(path: Path, pages: int = 100) -> None:
    """Mixed: text, drawings, pictures."""
    canvas = Canvas(str(path), pagesize=A4)
    for number in range(1, pages + 1):
        _text(canvas, number)
        if number % 5 == 0:
            canvas.drawImage(ImageReader(scan(number, 600)), 60, 80, 470, 300)
        if number % 3 == 0:
            for ring in range(20):
                canvas.circle(300, 250, 10 + ring * 6)
        canvas.showPage()
    canvas.save()


def scanned(path: Path) -> None:
    canvas = Canvas(str(path), pagesize=A4)
    for number in (1, 2):
        canvas.drawImage(ImageReader(scan(number, 1654)), 0, 0, *A4)
        canvas.showPage()
    canvas.save()


def cyrillic(path: Path) -> None:
    """With its font inside where the system has one, else without."""
    canvas = Canvas(str(path), pagesize=A4)
    if _DEJAVU.exists():
        pdfmetrics.registerFont(TTFont("DejaVu", _DEJAVU))
        canvas.setFont("DejaVu", 14)
    for line in range(30):
        canvas.drawString(60, 760 - line * 22, _RUSSIAN)
    canvas.save()


def huge_page(path: Path) -> None:
    """Five metres each way: the largest that the format knows."""
    canvas = Canvas(str(path), pagesize=(14_400, 14_400))
    canvas.setFillColorRGB(0, 0, 1)
    canvas.rect(0, 0, 7200, 7200, fill=1)
    canvas.save()


def long_page(path: Path) -> None:
    canvas = Canvas(str(path), pagesize=(100, 14_400))
    canvas.rect(10, 10, 80, 14_380, fill=0)
    canvas.save()


def rolls(path: Path, pages: int = 6) -> None:
    """Pages eight times as long as wide, as receipts, plans and printed web pages are."""
    canvas = Canvas(str(path), pagesize=(1000, 8000))
    for number in range(pages):
        canvas.rect(100, 100 + 50 * number, 800, 7000, fill=0)
        canvas.showPage()
    canvas.save()


def encrypted(path: Path) -> None:
    canvas = Canvas(str(path), pagesize=A4, encrypt=StandardEncryption("reader", "owner", strength=128))
    _text(canvas, 1)
    canvas.save()


def broken_xref(path: Path) -> None:
    hundred_pages(path, 3)
    content = path.read_bytes()
    place = content.rindex(b"startxref")
    path.write_bytes(content[:place] + b"startxref\n7\n%%EOF\n")


def half_and_half(path: Path) -> None:
    """The left half red, the right half green: what is drawn can be checked."""
    canvas = Canvas(str(path), pagesize=(400, 200))
    canvas.setFillColorRGB(1, 0, 0)
    canvas.rect(0, 0, 200, 200, stroke=0, fill=1)
    canvas.setFillColorRGB(0, 1, 0)
    canvas.rect(200, 0, 200, 200, stroke=0, fill=1)
    canvas.save()


def form(path: Path) -> None:
    """Empty but for a field that is filled in."""
    canvas = Canvas(str(path), pagesize=(400, 200))
    canvas.acroForm.textfield(name="name", value="FILLED IN", x=20, y=80, width=300, height=40, borderWidth=0)
    canvas.showPage()
    canvas.save()


def scan(seed: int, width: int) -> io.BytesIO:
    """A page of grey lines, as a scanner gives it."""
    page = Image.new("L", (width, width * 1414 // 1000), 235)
    draw = ImageDraw.Draw(page)
    for line in range(40):
        y = (line + 2) * page.height // 44
        draw.line(
            [(width // 10, y), (width * (5 + (line * seed) % 4) // 10, y)], fill=30 + line, width=max(2, width // 300)
        )
    content = io.BytesIO()
    page.save(content, "JPEG", quality=75)
    content.seek(0)
    return content


def _text(canvas: Canvas, number: int) -> None:
    canvas.setFont("Helvetica", 11)
    canvas.drawString(60, 790, f"Page {number}")
    for line in range(45):
        canvas.drawString(60, 760 - line * 15, _TEXT)

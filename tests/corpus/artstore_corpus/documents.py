"""Office documents."""

from __future__ import annotations

import zipfile
from pathlib import Path
from typing import Final

import docx as python_docx
import openpyxl
import pptx as python_pptx
from docx.enum.text import WD_BREAK

_RUSSIAN: Final = "Съешь же ещё этих мягких французских булок, да выпей чаю. "
_COMPOUND_FILE: Final = bytes.fromhex("d0cf11e0a1b11ae1")
_ODT_CONTENT: Final = """<?xml version="1.0" encoding="UTF-8"?>
<office:document-content xmlns:office="urn:oasis:names:tc:opendocument:xmlns:office:1.0"
 xmlns:text="urn:oasis:names:tc:opendocument:xmlns:text:1.0" office:version="1.2">
<office:body><office:text><text:h>Договор</text:h><text:p>{text}</text:p></office:text></office:body>
</office:document-content>"""
_ODT_MANIFEST: Final = """<?xml version="1.0" encoding="UTF-8"?>
<manifest:manifest xmlns:manifest="urn:oasis:names:tc:opendocument:xmlns:manifest:1.0" manifest:version="1.2">
<manifest:file-entry manifest:full-path="/" manifest:media-type="application/vnd.oasis.opendocument.text"/>
<manifest:file-entry manifest:full-path="content.xml" manifest:media-type="text/xml"/></manifest:manifest>"""


def docx(path: Path, pages: int = 5) -> None:
    document = python_docx.Document()
    for number in range(pages):
        document.add_heading(f"Раздел {number + 1}", 1)
        for _ in range(4):
            document.add_paragraph(_RUSSIAN * 4)
        if number < pages - 1:
            document.add_paragraph().add_run().add_break(WD_BREAK.PAGE)
    document.save(str(path))


def xlsx(path: Path, rows: int = 200) -> None:
    book = openpyxl.Workbook()
    sheet = book.active
    assert sheet is not None
    sheet.append(["Номер", "Наименование", "Сумма"])
    for number in range(rows):
        sheet.append([number, f"Позиция {number}", number * 1.5])
    book.save(path)


def pptx(path: Path, slides: int = 5) -> None:
    show = python_pptx.Presentation()
    for number in range(slides):
        slide = show.slides.add_slide(show.slide_layouts[1])
        assert slide.shapes.title is not None
        slide.shapes.title.text = f"Слайд {number + 1}"
        slide.placeholders[1].text = _RUSSIAN
    show.save(str(path))


def odt(path: Path) -> None:
    with zipfile.ZipFile(path, "w") as package:
        package.writestr("mimetype", "application/vnd.oasis.opendocument.text", zipfile.ZIP_STORED)
        package.writestr("content.xml", _ODT_CONTENT.format(text=_RUSSIAN * 5))
        package.writestr("META-INF/manifest.xml", _ODT_MANIFEST)


def cut(path: Path) -> None:
    docx(path)
    path.write_bytes(path.read_bytes()[:5000])


def locked(path: Path) -> None:
    """As Office writes one that has a password: not a package, but a compound file that holds one ([MS-OFFCRYPTO])."""
    path.write_bytes(_COMPOUND_FILE + bytes(4096))

"""All samples, and what is to become of each."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from render_service.decoders.contract import MediaKind

from artstore_corpus import documents, hostile, pdfs, pictures, recordings

_DOCX: Final = "application/vnd.openxmlformats-officedocument.wordprocessingml.document"
_XLSX: Final = "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet"
_PPTX: Final = "application/vnd.openxmlformats-officedocument.presentationml.presentation"
_ODT: Final = "application/vnd.oasis.opendocument.text"


@dataclass(frozen=True, slots=True)
class Sample:
    """`refused`: a part of the reason that a person is given; None where its pictures are to be made. `pages`: how many."""

    name: str
    content_type: str
    kind: MediaKind
    make: Callable[[Path], None]
    refused: str | None = None
    pages: int | None = None


def _pdf(name: str, make: Callable[[Path], None], *, refused: str | None = None, pages: int | None = None) -> Sample:
    return Sample(name, "application/pdf", MediaKind.PDF, make, refused, pages)


def _image(name: str, content_type: str, make: Callable[[Path], None], refused: str | None = None) -> Sample:
    return Sample(name, content_type, MediaKind.IMAGE, make, refused)


def _office(
    name: str, content_type: str, make: Callable[[Path], None], *, refused: str | None = None, pages: int | None = None
) -> Sample:
    return Sample(name, content_type, MediaKind.OFFICE, make, refused, pages)


SAMPLES: Final = (
    _pdf("hundred.pdf", pdfs.hundred_pages, pages=100),
    _pdf("scanned.pdf", pdfs.scanned, pages=2),
    _pdf("cyrillic.pdf", pdfs.cyrillic, pages=1),
    _pdf("huge page.pdf", pdfs.huge_page, pages=1),
    _pdf("long page.pdf", pdfs.long_page, pages=1),
    _pdf("rolls.pdf", pdfs.rolls, pages=6),
    _pdf("form.pdf", pdfs.form, pages=1),
    _pdf("encrypted.pdf", pdfs.encrypted, refused="password-protected PDF"),
    _pdf("broken xref.pdf", pdfs.broken_xref, pages=3),
    _pdf("not a pdf.pdf", hostile.text, refused="not a PDF"),
    _pdf("empty.pdf", hostile.empty, refused="not a PDF"),
    _image("photo.jpg", "image/jpeg", pictures.photo),
    _image("cmyk.jpg", "image/jpeg", pictures.cmyk),
    _image("progressive.jpg", "image/jpeg", pictures.progressive),
    _image("sixteen bits.png", "image/png", pictures.sixteen_bits),
    _image("palette.png", "image/png", pictures.palette),
    _image("transparent.webp", "image/webp", pictures.transparent),
    _image("animated.gif", "image/gif", pictures.animated),
    _image("photo.avif", "image/avif", pictures.avif),
    _image("photo.heic", "image/heic", pictures.heic),
    _image("pages.tiff", "image/tiff", pictures.pages),
    _image("one pixel.png", "image/png", pictures.one_pixel),
    _image("very wide.png", "image/png", pictures.very_wide),
    _image("plain.svg", "image/svg+xml", pictures.svg),
    _image("script.svg", "image/svg+xml", hostile.svg_with_script),
    _image("truncated.jpg", "image/jpeg", hostile.truncated, "truncated image"),
    _image("bomb.png", "image/png", hostile.zeros, "million pixels"),
    _image("program.png", "image/png", hostile.text, "not a picture"),
    _image("empty.png", "image/png", hostile.empty, "not a picture"),
    _image("entity.svg", "image/svg+xml", hostile.svg_with_entities, "damaged image"),
    Sample("video.mp4", "video/mp4", MediaKind.VIDEO, recordings.mp4),
    Sample("portrait.mp4", "video/mp4", MediaKind.VIDEO, recordings.portrait),
    Sample("video.webm", "video/webm", MediaKind.VIDEO, recordings.webm),
    Sample("sound.mp3", "audio/mpeg", MediaKind.AUDIO, recordings.mp3),
    Sample("sound.flac", "audio/flac", MediaKind.AUDIO, recordings.flac),
    Sample("silent.wav", "audio/wav", MediaKind.AUDIO, recordings.silence),
    Sample("sound alone.mp4", "video/mp4", MediaKind.VIDEO, recordings.sound_alone),
    Sample("play list.mp4", "video/mp4", MediaKind.VIDEO, hostile.play_list, "recording that can"),
    Sample("cut.mp4", "video/mp4", MediaKind.VIDEO, recordings.cut, "recording that can"),
    _office("cyrillic.docx", _DOCX, documents.docx, pages=5),
    _office("table.xlsx", _XLSX, documents.xlsx),
    _office("slides.pptx", _PPTX, documents.pptx, pages=5),
    _office("text.odt", _ODT, documents.odt, pages=1),
    _office("bomb.docx", _DOCX, hostile.zip_bomb, refused="unpacks to more than"),
    _office("cut.docx", _DOCX, documents.cut, refused="not an office document"),
    _office("locked.docx", _DOCX, documents.locked, refused="password-protected"),
)

"""Formats in a wrapping that many share: ZIP (office documents, books, packages) and OLE (old office documents)."""

from __future__ import annotations

import re
from typing import Final

_LOCAL_HEADER: Final = b"PK\x03\x04"  # APPNOTE.TXT 4.3.7
_FIXED_BYTES: Final = 30
_MAX_ENTRIES: Final = 200
_MEDIA_TYPE: Final = re.compile(rb"[a-z]+/[a-zA-Z0-9.+-]+")

_OOXML: Final = "application/vnd.openxmlformats-officedocument."
_OOXML_PARTS: Final = {
    "word/": f"{_OOXML}wordprocessingml.document",
    "xl/": f"{_OOXML}spreadsheetml.sheet",
    "ppt/": f"{_OOXML}presentationml.presentation",
}
_OOXML_FIRST: Final = ("[Content_Types].xml", "_rels/", "docProps/")

_OLE: Final = b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1"  # [MS-CFB] 2.2
_OLE_BY_EXTENSION: Final = {
    "doc": "application/msword",
    "msg": "application/vnd.ms-outlook",
    "msi": "application/x-msi",
    "pps": "application/vnd.ms-powerpoint",
    "ppt": "application/vnd.ms-powerpoint",
    "vsd": "application/vnd.visio",
    "xls": "application/vnd.ms-excel",
}
_OLE_STREAMS: Final = {
    "WordDocument": "application/msword",
    "Workbook": "application/vnd.ms-excel",
    "PowerPoint Document": "application/vnd.ms-powerpoint",
    "__properties_version1.0": "application/vnd.ms-outlook",
}


def zip_type(head: bytes, guess: str | None) -> str | None:
    """What a ZIP archive is, by the names in it; None for what is no ZIP."""
    if not head.startswith((_LOCAL_HEADER, b"PK\x05\x06")):
        return None
    if (declared := _declared_type(head)) is not None:
        return declared
    names = _entry_names(head)
    if any(name == "AndroidManifest.xml" for name in names):
        return "application/vnd.android.package-archive"
    for part, kind in _OOXML_PARTS.items():
        if any(name.startswith(part) for name in names):
            return kind
    if any(name.upper() == "META-INF/MANIFEST.MF" for name in names):
        return "application/java-archive"
    # The parts that tell stand beyond the head: the extension decides between the office formats.
    if names and names[0].startswith(_OOXML_FIRST) and guess is not None and guess.startswith(_OOXML):
        return guess
    return "application/zip"


def _declared_type(head: bytes) -> str | None:
    """OpenDocument and EPUB put an uncompressed `mimetype` first, for exactly this (ODF 1.3 part 2, §3.3)."""
    if head[26:28] != b"\x08\x00" or head[_FIXED_BYTES : _FIXED_BYTES + 8] != b"mimetype" or head[8:10] != b"\0\0":
        return None
    start = _FIXED_BYTES + 8 + int.from_bytes(head[28:30], "little")
    length = int.from_bytes(head[18:22], "little")
    found = _MEDIA_TYPE.match(head, start, start + min(length or 100, 100))
    return found.group().decode() if found else None


def _entry_names(head: bytes) -> list[str]:
    """The names of the entries whose headers lie within the head; found by search, for sizes may stand after data."""
    names: list[str] = []
    at = 0
    while at >= 0 and len(names) < _MAX_ENTRIES:
        length = int.from_bytes(head[at + 26 : at + 28], "little")
        names.append(head[at + _FIXED_BYTES : at + _FIXED_BYTES + length].decode("utf-8", "replace"))
        at = head.find(_LOCAL_HEADER, at + _FIXED_BYTES)
    return names


def office_type(head: bytes, ending: str, guess: str | None) -> str | None:
    """What an OLE compound file is, by its extension and by the names of its streams; None for what is none."""
    if not head.startswith(_OLE):
        return None
    if ending in _OLE_BY_EXTENSION:
        return _OLE_BY_EXTENSION[ending]
    for stream, kind in _OLE_STREAMS.items():
        if stream.encode("utf-16-le") in head:
            return kind
    return guess or "application/x-ole-storage"

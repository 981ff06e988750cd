"""The files that the table of ranges asks for: every length that is a border, every kind of type and name."""

from __future__ import annotations

import hashlib
import struct
import zlib
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Final

from artstore_transfer import http_date
from world import World, pdf

MIB: Final = 1024 * 1024


def _bytes(size: int, seed: str) -> bytes:
    """The same ones every time, with no signature at their head."""
    blocks = (hashlib.sha256(f"{seed} {block}".encode()).digest() for block in range(size // 32 + 1))
    return (b"\x00\x01" + b"".join(blocks))[:size]


def _png() -> bytes:
    def chunk(kind: bytes, body: bytes) -> bytes:
        return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))

    pixels = zlib.compress(b"\x00\xff\x00\x00")
    return b"\x89PNG\r\n\x1a\n" + b"".join(
        (chunk(b"IHDR", struct.pack(">IIBBBBB", 1, 1, 8, 2, 0, 0, 0)), chunk(b"IDAT", pixels), chunk(b"IEND", b""))
    )


@dataclass(frozen=True)
class Sample:
    """A file to be uploaded, and how its answers shall name it: `shown` is the whole of Content-Disposition."""

    name: str
    content: bytes
    content_type: str
    shown: str


def _saved(name: str, extended: str | None = None) -> str:
    return f"attachment; filename=\"{name}\"; filename*=UTF-8''{extended or name}"


def _opened(name: str, extended: str | None = None) -> str:
    return f"inline; filename=\"{name}\"; filename*=UTF-8''{extended or name}"


_UNKNOWN: Final = "application/octet-stream"
_HTML: Final = b"<!doctype html><script>alert(document.domain)</script>"
_SVG: Final = b'<svg xmlns="http://www.w3.org/2000/svg"><script>alert(1)</script></svg>'

SAMPLES: Final = {
    "empty": Sample("empty.bin", b"", _UNKNOWN, _saved("empty.bin")),
    "one": Sample("one.dat1", b"\x00", _UNKNOWN, _saved("one.dat1")),
    # Small files leave an element in one piece, large ones in pieces of 1 MiB: two ways through the code.
    "small": Sample("small.dat1", _bytes(1000, "small"), _UNKNOWN, _saved("small.dat1")),
    "large": Sample("large.dat1", _bytes(2 * MIB + 4711, "large"), _UNKNOWN, _saved("large.dat1")),
    "png": Sample("a.png", _png(), "image/png", _opened("a.png")),
    "pdf": Sample("отчёт.pdf", pdf("x"), "application/pdf", _opened("_____.pdf", "%D0%BE%D1%82%D1%87%D1%91%D1%82.pdf")),
    "text": Sample("it's (1).txt", b"plain words\n", "text/plain", _opened("it's (1).txt", "it%27s%20%281%29.txt")),
    "html": Sample("page.html", _HTML, "text/html", _saved("page.html")),
    "svg": Sample("a.svg", _SVG, "image/svg+xml", _saved("a.svg")),
    "quoted": Sample('a"b;c%20=.txt', b"words", "text/plain", _opened("a_b;c_20=.txt", "a%22b%3Bc%2520%3D.txt")),
    "long": Sample("я" * 500 + ".txt", b"words", "text/plain", _opened("_" * 500 + ".txt", "%D1%8F" * 500 + ".txt")),
    "emoji": Sample("\u202efdp.\U0001f600.txt", b"words", "text/plain", _opened("_fdp._.txt", "_fdp.%F0%9F%98%80.txt")),
}


@dataclass(frozen=True)
class Stored:
    """A sample in the store. `file` as the upload answered."""

    sample: Sample
    file: dict[str, Any]

    @property
    def file_id(self) -> str:
        return str(self.file["file_id"])

    @property
    def size(self) -> int:
        return len(self.sample.content)

    @property
    def etag(self) -> str:
        return f'"{hashlib.sha256(self.sample.content).hexdigest()}"'

    @property
    def modified(self) -> datetime:
        return datetime.fromisoformat(self.file["uploaded_at"])

    @property
    def words(self) -> dict[str, str]:
        """What stands for `{etag}`, `{modified}` and so on in a case's headers."""
        moment = self.modified
        return {
            "etag": self.etag,
            "modified": http_date(moment),
            "before": http_date(moment - timedelta(seconds=1)),
            "after": http_date(moment + timedelta(seconds=1)),
            "rfc850": moment.strftime("%A, %d-%b-%y %H:%M:%S GMT"),
            "asctime": f"{moment:%a %b} {moment.day:2d} {moment:%H:%M:%S %Y}",
            "elsewhere": moment.strftime("%a, %d %b %Y %H:%M:%S +0300"),
            "size": str(self.size),
            "last": str(self.size - 1),
            "beyond": str(self.size + 1),
        }


def store_samples(world: World) -> dict[str, Stored]:
    return {key: Stored(one, world.uploaded(one.content, one.name)) for key, one in SAMPLES.items()}

"""The Range header (RFC 9110 §14)."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Final

from artstore_core.errors import InvalidRange

_SPEC: Final = re.compile(r"([0-9]*)-([0-9]*)")
OUTSIDE: Final = "The range lies outside the file"
"""The words of every 416, whoever says it."""
_MAX_DIGITS: Final = 20  # beyond any file; int() of thousands of digits is slow, and refused by Python


@dataclass(frozen=True, slots=True)
class ByteRange:
    """Bytes from `start` up to but without `stop`."""

    start: int
    stop: int

    @property
    def length(self) -> int:
        return self.stop - self.start

    def content_range(self, size: int) -> str:
        """The value of Content-Range in a 206 (RFC 9110 §14.4)."""
        return f"bytes {self.start}-{self.stop - 1}/{size}"


def parse_range(header: str | None, size: int) -> ByteRange | None:
    """The one range that is asked for of `size` bytes; None means the whole file with status 200.

    None it is without a header, for another unit than bytes, for bad syntax (RFC 9110 §14.2: ignored) and for several
    ranges (a server may always answer with the whole; a multipart answer would serve nobody here).
    Raises InvalidRange, with Content-Range, for a range that lies outside the file.
    """
    if header is None:
        return None
    unit, equals, text = header.partition("=")
    if not equals or unit.strip().lower() != "bytes":
        return None
    specs = [spec for part in text.split(",") if (spec := part.strip(" \t"))]
    if len(specs) != 1 or (match := _SPEC.fullmatch(specs[0])) is None:
        return None
    first, last = (_number(digits) for digits in match.groups())
    if first is None:
        return None if last is None else _suffix(last, size)
    if last is not None and last < first:
        return None
    if first >= size:
        raise _outside(size)
    return ByteRange(first, size if last is None else min(last + 1, size))


def _suffix(length: int, size: int) -> ByteRange | None:
    if length == 0:
        raise _outside(size)
    # The last bytes of an empty file are the empty file, which Content-Range has no way to say: 200.
    return ByteRange(max(size - length, 0), size) if size else None


def _number(digits: str) -> int | None:
    if not digits:
        return None
    digits = digits.lstrip("0") or "0"
    return int(digits) if len(digits) <= _MAX_DIGITS else 10**_MAX_DIGITS + int(digits[0])


def _outside(size: int) -> InvalidRange:
    return InvalidRange(OUTSIDE, headers={"Content-Range": f"bytes */{size}"})

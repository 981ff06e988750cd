"""multipart/form-data (RFC 7578, RFC 2046 §5.1), parsed as it arrives: bytes in, events out, nothing kept."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Final

from artstore_core.errors import ValidationFailed
from python_multipart.exceptions import FormParserError
from python_multipart.multipart import MultipartParser, parse_options_header

MULTIPART: Final = b"multipart/form-data"
MAX_BOUNDARY: Final = 200  # RFC 2046 §5.1.1 allows 70


@dataclass(frozen=True, slots=True)
class Limits:
    """Of what surrounds the file: bytes, but for the counts."""

    parts: int = 150
    headers: int = 16
    header: int = 8 * 1024
    field: int = 64 * 1024
    form: int = 1024 * 1024
    """Everything together: boundaries, headers, fields."""


@dataclass(frozen=True, slots=True)
class PartBegan:
    headers: dict[str, str]


@dataclass(frozen=True, slots=True)
class PartData:
    data: bytes


@dataclass(frozen=True, slots=True)
class PartEnded:
    pass


@dataclass(frozen=True, slots=True)
class BodyEnded:
    pass


Event = PartBegan | PartData | PartEnded | BodyEnded


def boundary_of(content_type: str | None) -> bytes:
    """Raises ValidationFailed unless the header announces multipart/form-data with a boundary."""
    kind, options = parse_options_header(content_type)
    if kind != MULTIPART:
        raise _unreadable("Content-Type must be multipart/form-data")
    boundary = options.get(b"boundary", b"")
    if not 0 < len(boundary) <= MAX_BOUNDARY:
        raise _unreadable("Content-Type gives no usable boundary")
    return boundary


@dataclass(slots=True)
class _Headers:
    """Collects one part's headers."""

    done: dict[str, str] = field(default_factory=dict)
    name: bytearray = field(default_factory=bytearray)
    value: bytearray = field(default_factory=bytearray)

    def end_one(self) -> None:
        try:
            name, value = self.name.decode("ascii").lower(), self.value.decode("utf-8").rstrip(" \t")
        except UnicodeDecodeError:
            raise _unreadable("a part's headers are not UTF-8") from None
        if name in self.done:
            raise _unreadable("a part has the same header twice")
        self.done[name] = value
        self.name.clear()
        self.value.clear()


class Multipart:
    """Feed it the body; it gives what the bytes mean. Raises ValidationFailed for what is no multipart body."""

    def __init__(self, boundary: bytes, limits: Limits) -> None:
        self._limits = limits
        self._events: list[Event] = []
        self._headers = _Headers()
        self._parts = 0
        self._parser = MultipartParser(
            boundary,
            {
                "on_part_begin": self._part_began,
                "on_header_field": lambda data, start, end: self._headers.name.extend(data[start:end]),
                "on_header_value": lambda data, start, end: self._headers.value.extend(data[start:end]),
                "on_header_end": lambda: self._headers.end_one(),
                "on_headers_finished": lambda: self._events.append(PartBegan(self._headers.done)),
                "on_part_data": lambda data, start, end: self._events.append(PartData(data[start:end])),
                "on_part_end": lambda: self._events.append(PartEnded()),
                "on_end": lambda: self._events.append(BodyEnded()),
            },
            max_header_count=limits.headers,
            max_header_size=limits.header,
        )

    def feed(self, chunk: bytes) -> list[Event]:
        self._events = []
        try:
            self._parser.write(chunk)
        except FormParserError:
            raise _unreadable("its parts do not follow the boundary, or a part's headers are malformed") from None
        return self._events

    def _part_began(self) -> None:
        self._parts += 1
        if self._parts > self._limits.parts:
            raise _unreadable(f"more than {self._limits.parts} parts")
        self._headers = _Headers()


def _unreadable(reason: str) -> ValidationFailed:
    return ValidationFailed("The multipart body cannot be read", details={"body": reason})

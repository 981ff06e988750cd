"""Reading the upload form: fields, then the file's bytes, then the fields that may follow."""

from __future__ import annotations

from collections import deque
from collections.abc import AsyncIterator
from dataclasses import dataclass

from artstore_core.errors import FileTooLarge, ValidationFailed
from artstore_core.files import Filename
from artstore_transfer import sha256_of
from pydantic import TypeAdapter, ValidationError

from ingester_service.http.disposition import Disposition, parse_disposition
from ingester_service.http.fields import Fields, refused
from ingester_service.http.multipart import BodyEnded, Event, Limits, Multipart, PartBegan, PartData, PartEnded
from ingester_service.upload.incoming import Retention, Told

_FILENAME = TypeAdapter[str](Filename)
_PLAIN_ENCODINGS = frozenset({"", "7bit", "8bit", "binary"})


def too_large(limit: int) -> FileTooLarge:
    return FileTooLarge(f"One request may bring at most {limit} bytes", details={"file": f"at most {limit} bytes"})


class _Events:
    """The body's events one by one, each asked for only when the one before was dealt with."""

    def __init__(self, body: AsyncIterator[bytes], boundary: bytes, limits: Limits) -> None:
        self._body, self._parser, self._limits = body, Multipart(boundary, limits), limits
        self._waiting: deque[Event] = deque()
        self.received = 0
        self.file_bytes = 0

    async def next(self) -> Event:
        while not self._waiting:
            chunk = await anext(self._body, None)
            if chunk is None:
                raise ValidationFailed("The body ends too early", details={"body": "the closing boundary is missing"})
            self.received += len(chunk)
            self._waiting.extend(self._parser.feed(chunk))
            self._check()
        return self._waiting.popleft()

    async def end(self) -> None:
        """Reads what may follow the closing boundary (RFC 2046 §5.1.1, "epilogue"), and throws it away: a request that
        breaks off there did not arrive, whatever was in it (RFC 9112 §8)."""
        async for chunk in self._body:
            self.received += len(chunk)
            self._check()

    def _check(self) -> None:
        waiting = sum(len(event.data) for event in self._waiting if isinstance(event, PartData))
        if self.received - self.file_bytes - waiting > self._limits.form:
            raise ValidationFailed(
                "The form is too large", details={"body": f"fields of over {self._limits.form} bytes"}
            )


@dataclass(slots=True)
class UploadForm:
    """An Incoming over a multipart body. Make it with `open_form`."""

    filename: str
    retention: Retention
    sha256: str | None
    size_at_most: int | None
    _events: _Events
    _fields: Fields
    _limits: Limits
    _max_bytes: int

    @property
    def largest(self) -> int:
        return self._max_bytes

    async def chunks(self) -> AsyncIterator[bytes]:
        size = 0
        while isinstance(event := await self._events.next(), PartData):
            size += len(event.data)
            if size > self._max_bytes:
                raise too_large(self._max_bytes)
            self._events.file_bytes = size
            yield event.data

    async def told(self) -> Told:
        while not isinstance(event := await self._events.next(), BodyEnded):
            disposition = _disposition(event)
            if disposition.filename is not None:
                raise refused(disposition.name[:100], "a second file: one upload brings one file")
            self._fields.expect(disposition.name, after_file=True)
            self._fields.take(disposition.name, await _value(self._events, disposition.name, self._limits.field))
        await self._events.end()
        return self._fields.told()


async def open_form(
    body: AsyncIterator[bytes],
    boundary: bytes,
    *,
    query: Fields,
    max_bytes: int,
    content_length: int | None,
    limits: Limits,
) -> UploadForm:
    """Reads up to the file's first byte. Raises ValidationFailed naming the field, FileTooLarge.

    `content_length` is that of the whole body, None when the client does not say; `max_bytes` is the file's limit.
    """
    events, fields = _Events(body, boundary, limits), Fields()
    while not isinstance(event := await events.next(), BodyEnded):
        disposition = _disposition(event)
        if disposition.filename is not None:
            assert isinstance(event, PartBegan)
            bound = None if content_length is None else min(content_length, max_bytes)
            return UploadForm(
                filename=_name_of(disposition),
                retention=fields.retention(query),
                sha256=sha256_of(event.headers.get("repr-digest")),
                size_at_most=bound,
                _events=events,
                _fields=fields,
                _limits=limits,
                _max_bytes=max_bytes,
            )
        if disposition.name == "file":
            raise refused("file", "is not a file: the part has no filename")
        fields.expect(disposition.name, after_file=False)
        fields.take(disposition.name, await _value(events, disposition.name, limits.field))
    raise refused("file", "is missing")


def _disposition(event: Event) -> Disposition:
    # Between parts the parser gives nothing but the beginning of the next.
    assert isinstance(event, PartBegan)
    disposition = parse_disposition(event.headers.get("content-disposition", ""))
    if event.headers.get("content-transfer-encoding", "").lower() not in _PLAIN_ENCODINGS:
        raise refused(disposition.name[:100], "Content-Transfer-Encoding is not supported (RFC 7578 §4.7)")
    return disposition


def _name_of(disposition: Disposition) -> str:
    if disposition.name != "file":
        raise refused(disposition.name[:100], "is not a field of this form: the file's field is called file")
    name = disposition.filename
    if not name:
        raise refused("file", "has no name, so no file was chosen")
    if name in (".", ".."):
        raise refused("file", "has no usable name")
    try:
        return _FILENAME.validate_python(name)
    except ValidationError as error:
        reason = str(error.errors(include_input=False, include_url=False)[0]["msg"])
        raise refused("file", reason.removeprefix("Value error, ").replace("must", "its name must", 1)) from None


async def _value(events: _Events, name: str, limit: int) -> bytes:
    value = bytearray()
    while isinstance(event := await events.next(), PartData):
        value += event.data
        if len(value) > limit:
            raise refused(name, f"must be at most {limit} bytes")
    assert isinstance(event, PartEnded)
    return bytes(value)

"""A file: what an uploader says of it, what attr.json keeps, and what every client sees."""

from __future__ import annotations

import json
import unicodedata
from datetime import UTC, datetime
from enum import StrEnum
from typing import Annotated, Any, Final, Literal
from uuid import UUID

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, PlainSerializer, StringConstraints

from artstore_core.retention import MAX_TTL_DAYS, MIN_TTL_DAYS, RetentionPolicy

MAX_METADATA_BYTES: Final = 16 * 1024
MAX_METADATA_DEPTH: Final = 32
MAX_FILENAME_BYTES: Final = 1024
_INFINITE: Final = (datetime.min.replace(tzinfo=UTC), datetime.max.replace(tzinfo=UTC))
_JSON: Final = json.JSONEncoder(ensure_ascii=False, allow_nan=False)


class FileStatus(StrEnum):
    ACTIVE = "active"
    EXPIRED = "expired"
    DAMAGED = "damaged"
    DELETED = "deleted"


def _utc(moment: datetime) -> datetime:
    if moment.tzinfo is None:
        raise ValueError("a time needs its zone")
    try:
        moment = moment.astimezone(UTC)
    except OverflowError:
        raise ValueError("is out of range") from None
    # PostgreSQL's driver keeps these two as its infinities, and reads those back without a zone.
    if moment in _INFINITE:
        raise ValueError("is out of range")
    return moment


def _rfc3339(moment: datetime) -> str:
    return moment.astimezone(UTC).isoformat().replace("+00:00", "Z")


Moment = Annotated[datetime, AfterValidator(_utc), PlainSerializer(_rfc3339, return_type=str, when_used="json")]
"""An instant in UTC; in JSON as RFC 3339 with `Z`."""


def _printable(text: str) -> str:
    if "\x00" in text:
        raise ValueError("must not contain NUL")
    return text


def _filename(name: str) -> str:
    """A name as people gave it, normalised to NFC. It is shown and searched, never used for a path."""
    # Before it is normalised, which takes the square of a name's length: four characters become three bytes at the least.
    if len(name) > 2 * MAX_FILENAME_BYTES:
        raise ValueError(f"must be at most {MAX_FILENAME_BYTES} bytes in UTF-8")
    name = unicodedata.normalize("NFC", name)
    if not name.strip():
        raise ValueError("must not be empty")
    if len(name.encode()) > MAX_FILENAME_BYTES:
        raise ValueError(f"must be at most {MAX_FILENAME_BYTES} bytes in UTF-8")
    # What is printable has no control characters, and is asked first: a sync reads a million names.
    if not name.isprintable() and any(unicodedata.category(char) == "Cc" for char in name):
        raise ValueError("must not contain control characters")
    return name


def _deeper_than(value: Any, levels: int) -> bool:
    """Goes no deeper than it must: parsers and serialisers give up at depths of their own."""
    if not isinstance(value, dict | list):
        return False
    inner = value.values() if isinstance(value, dict) else value
    return levels == 0 or any(_deeper_than(one, levels - 1) for one in inner)


def _metadata(value: dict[str, Any]) -> dict[str, Any]:
    """Any JSON object that PostgreSQL's jsonb can hold: no NUL, no lone surrogates, no NaN."""
    if _deeper_than(value, MAX_METADATA_DEPTH):
        raise ValueError(f"must not be nested deeper than {MAX_METADATA_DEPTH}")
    try:
        text = _JSON.encode(value)
        size = len(text.encode())
    except ValueError:
        raise ValueError("must be JSON in UTF-8: no NaN, no infinity, no half of a surrogate pair") from None
    if size > MAX_METADATA_BYTES:
        raise ValueError(f"must be at most {MAX_METADATA_BYTES} bytes of JSON")
    if "\\u0000" in text:
        raise ValueError("must not contain NUL")
    return value


def _tags(tags: list[str]) -> list[str]:
    return list(dict.fromkeys(tags))


Filename = Annotated[str, AfterValidator(_filename)]
Description = Annotated[str, StringConstraints(max_length=10_000), AfterValidator(_printable)]
Tag = Annotated[str, StringConstraints(strip_whitespace=True, min_length=1, max_length=100), AfterValidator(_printable)]
Tags = Annotated[list[Tag], Field(max_length=100), AfterValidator(_tags)]
Metadata = Annotated[dict[str, Any], AfterValidator(_metadata)]
_TOKEN = r"[A-Za-z0-9!#$&^_.+-]+"
ContentType = Annotated[str, StringConstraints(max_length=255, pattern=rf"^{_TOKEN}/{_TOKEN}(;[ -~]*)?$")]
"""A media type (RFC 6838 §4.2), fit for a header as it stands."""
Subject = Annotated[str, StringConstraints(max_length=255, pattern=r"^[^\x00-\x20\x7f]+$")]
"""A principal: `sa:<client_id>` or `user:<username>`."""
Checksum = Annotated[str, StringConstraints(pattern=r"^[0-9a-f]{64}$")]
"""SHA-256 in lower-case hex."""
TtlDays = Annotated[int, Field(ge=MIN_TTL_DAYS, le=MAX_TTL_DAYS)]


class NewFile(BaseModel):
    """What is known of a file before its bytes are stored; the ingester vouches for it."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    original_filename: Filename
    content_type: ContentType
    uploaded_by: Subject
    description: Description | None = None
    tags: Tags = []
    metadata: Metadata = {}
    retention_policy: RetentionPolicy = RetentionPolicy.PERMANENT
    ttl_days: TtlDays | None = None


class File(BaseModel):
    """A file as every client sees it (api.md)."""

    model_config = ConfigDict(frozen=True)

    file_id: UUID
    original_filename: str
    content_type: str
    size: Annotated[int, Field(ge=0)]
    checksum: Checksum
    uploaded_by: str
    uploaded_at: Moment
    description: str | None = None
    tags: list[str] = []
    metadata: dict[str, Any] = {}
    status: FileStatus = FileStatus.ACTIVE
    retention_policy: RetentionPolicy
    ttl_days: int | None = None
    expires_at: Moment | None = None
    revision: Annotated[int, Field(ge=1)] = 1

    def is_expired(self, now: datetime) -> bool:
        return self.expires_at is not None and self.expires_at <= now


class Attributes(File):
    """The content of `<id>.attr.json`: the only truth about a file (requirement S5); `attr_json` writes and reads it.

    `schema_version` rises when a reader of the old form would misread the new one; fields that a reader does not know
    are kept, so an element that was rolled back loses nothing. `deleted_at` and `damage` are there where they apply.
    """

    model_config = ConfigDict(extra="allow", frozen=True)

    schema_version: Literal[1] = 1
    deleted_at: Moment | None = None
    deleted_by: str | None = None
    damage: str | None = None

    def public(self) -> File:
        # Not validated once more: it was, as a part of this.
        return File.model_construct(**{name: getattr(self, name) for name in File.model_fields})

"""From a file's record to a row of the index, and back."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Final, NamedTuple, TypeVar
from uuid import UUID

from artstore_core.files import Attributes, File, FileStatus
from pydantic import ValidationError

from storage_element.disk.index.errors import IndexDoubtful

STATUSES: Final = (FileStatus.ACTIVE, FileStatus.EXPIRED, FileStatus.DAMAGED, FileStatus.DELETED)
"""A status is kept as its place here: part of the schema."""
CODES: Final[Mapping[FileStatus, int]] = {status: code for code, status in enumerate(STATUSES)}
PURGED: Final = len(STATUSES)
"""In place of a status: bytes and record are gone."""

_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND: Final = timedelta(microseconds=1)

AFile = TypeVar("AFile", bound=File)


@dataclass(frozen=True, slots=True)
class Entry:
    """One file as a change left it.

    `sequence` is that of the change: no other has it, and later changes of the same file have higher ones. `purged`
    says that bytes and record are gone: the file stays in the feed, and is in no listing, count or sum of bytes. Then
    `attributes` are the last ones.

    `record` may carry the JSON of `attributes` where it exists already, which saves making it again. It is kept as it
    is, and is what `get` and `shard` read.
    """

    sequence: int
    attributes: Attributes
    purged: bool = False
    record: bytes | str | None = None


class Row(NamedTuple):
    """In the order of the columns of `files`. Times are in microseconds since 1970."""

    sequence: int
    id: bytes
    status: int
    size: int
    expires_at: int | None
    record: bytes


def row_of(entry: Entry) -> Row:
    attributes = entry.attributes
    record = attributes.model_dump_json() if entry.record is None else entry.record
    expires_at = attributes.expires_at
    return Row(
        entry.sequence,
        attributes.file_id.bytes,
        PURGED if entry.purged else CODES[attributes.status],
        attributes.size,
        None if expires_at is None else microseconds(expires_at),
        record.encode() if isinstance(record, str) else record,
    )


def microseconds(moment: datetime) -> int:
    return (moment - _EPOCH) // _MICROSECOND


def shard_of(file_id: bytes) -> str:
    """As `disk.layout` has it."""
    return file_id.hex()[-3:]


def attributes_of(record: bytes) -> Attributes:
    return _parsed(Attributes, record)


def file_of(record: bytes, now: datetime, *, purged: bool = False) -> File:
    """As clients see it: a file expires by the clock, with nothing written anywhere."""
    file = _parsed(File, record)
    status = file.status
    if purged:
        status = FileStatus.DELETED
    elif status is FileStatus.ACTIVE and file.is_expired(now):
        status = FileStatus.EXPIRED
    return file if status is file.status else file.model_copy(update={"status": status})


def _parsed(model: type[AFile], record: bytes) -> AFile:
    try:
        return model.model_validate_json(record)
    except ValidationError as error:
        raise IndexDoubtful("a row of the index does not hold a file's record") from error


def id_of(key: bytes) -> UUID:
    return UUID(bytes=key)

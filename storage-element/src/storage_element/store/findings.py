"""What can be wrong with a file at rest, and how one tells: pure rules (requirements S7, S14)."""

from __future__ import annotations

from datetime import datetime
from enum import StrEnum
from typing import Final
from uuid import UUID

from artstore_core.files import Attributes, File, FileStatus, Moment
from pydantic import BaseModel, ConfigDict

from storage_element.store.inspection import NO_CHECKSUM, Seen


class FindingKind(StrEnum):
    ORPHANED_DATA = "orphaned_data"
    """Data without a record. It goes into quarantine."""
    DATA_MISSING = "data_missing"
    SIZE_MISMATCH = "size_mismatch"
    CHECKSUM_MISMATCH = "checksum_mismatch"
    """These three make the file damaged; data that is wrong goes into quarantine."""
    RECORD_MISSING = "record_missing"
    """Written anew from the index's copy; damaged, until its data was read and found right."""
    RECORD_UNREADABLE = "record_unreadable"
    """The same; what cannot be read is kept in quarantine. Where the index has no copy either, it stays as it is."""
    RECORD_CHANGED = "record_changed"
    """Somebody put a record there, or changed it. It is the truth: index and feed learn of it."""
    HEALED = "healed"
    """The data of a damaged file is there again, and right."""
    UNKNOWN_NAME = "unknown_name"
    """A name that the element does not make there. It is left alone."""
    READ_ERROR = "read_error"
    """The disk does not give it out. Once says little about what it holds, so nothing is changed, but it is counted
    (store/read_errors)."""
    DATA_UNREADABLE = "data_unreadable"
    """It did not in several runs. The file is damaged; its data goes into quarantine by its name, unread."""


DAMAGE: Final = {
    FindingKind.DATA_MISSING: "data missing",
    FindingKind.SIZE_MISMATCH: "size mismatch",
    FindingKind.CHECKSUM_MISMATCH: "checksum mismatch",
    FindingKind.RECORD_MISSING: "record missing",
    FindingKind.RECORD_UNREADABLE: "record unreadable",
    FindingKind.DATA_UNREADABLE: "data unreadable",
}
"""What the record of a damaged file says of it."""


class Finding(BaseModel):
    """`name` is a file's where there is no id."""

    model_config = ConfigDict(frozen=True)

    kind: FindingKind
    file_id: UUID | None = None
    name: str | None = None
    at: Moment


def diagnose(seen: Seen, known: Attributes | None, now: datetime) -> FindingKind | None:
    """What is wrong as far as can be told without reading the bytes. `known` is the index's copy.

    True only of a file that did not change between the two looks.
    """
    record = seen.record
    if seen.unreadable:
        return FindingKind.RECORD_UNREADABLE
    if record is None:
        if known is not None:
            return FindingKind.RECORD_MISSING
        return None if seen.size is None else FindingKind.ORPHANED_DATA
    if record != known:
        return FindingKind.RECORD_CHANGED
    if not has_bytes(record, now):
        return None
    if seen.size is None:
        return FindingKind.DATA_MISSING
    return None if seen.size == record.size else FindingKind.SIZE_MISMATCH


def compare(record: Attributes, checksum: str, size: int) -> FindingKind | None:
    """What is wrong, or right again, by the bytes that were read."""
    right = checksum == record.checksum and size == record.size
    if record.status is FileStatus.DAMAGED:
        return FindingKind.HEALED if right else None
    return None if right else FindingKind.CHECKSUM_MISMATCH


def has_bytes(record: File, now: datetime) -> bool:
    """Whether its bytes must be there, and right: not those of a file that waits to be removed."""
    return record.status is FileStatus.ACTIVE and not record.is_expired(now)


def may_heal(seen: Seen) -> bool:
    """Whether reading the bytes of a damaged file could show that they are right."""
    record = seen.record
    return record is not None and record.status is FileStatus.DAMAGED and seen.size == record.size


def is_known(record: Attributes | None) -> bool:
    """Whether a copy says what its file is; not one that was made up for want of a record."""
    return record is not None and record.checksum != NO_CHECKSUM

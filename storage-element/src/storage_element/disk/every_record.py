"""Reading every record of a data root, for the index to be made anew."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from typing import Final
from uuid import UUID

from artstore_core.errors import FileDamaged, StorageUnavailable
from artstore_core.files import Attributes, FileStatus
from artstore_core.retention import RetentionPolicy

from storage_element.disk import layout as names
from storage_element.disk.committed import CommittedFiles
from storage_element.disk.failures import SCARCE, meaning
from storage_element.disk.filesystem import FileSystem
from storage_element.disk.layout import Layout

Progress = Callable[[int, int], None]
"""Takes shards done, and all of them."""
Check = Callable[[], None]
"""Raises StorageUnavailable unless the disk is there, and this element's."""
UNREADABLE: Final = "record unreadable"
MISSING: Final = "record missing"
_LAST: Final = datetime(9999, 12, 31, tzinfo=UTC)


def shards(layout: Layout, filesystem: FileSystem) -> list[str]:
    """Those that exist, sorted. Raises StorageUnavailable."""
    with meaning():
        return sorted(name for name in filesystem.names(layout.files) if names.is_shard(name))


def ids_of_records(layout: Layout, filesystem: FileSystem, shard: str) -> list[UUID]:
    """Of the files whose attr.json lies in the shard where it belongs."""
    directory = layout.files / shard
    with meaning():
        found = (names.id_of_attributes(name) for name in filesystem.names(directory))
        return [file_id for file_id in found if file_id is not None and layout.shard(file_id) == directory]


def all_records(
    layout: Layout, filesystem: FileSystem, committed: CommittedFiles, check: Check, progress: Progress
) -> Iterator[Attributes]:
    """Every file, shard by shard; one whose record cannot be read is there as damaged. Raises StorageUnavailable where
    it is not the record that cannot be read, but the disk."""
    every = shards(layout, filesystem)
    for number, shard in enumerate(every):
        progress(number, len(every))
        for file_id in ids_of_records(layout, filesystem, shard):
            yield _one(committed, check, file_id)
    progress(len(every), len(every))


def _one(committed: CommittedFiles, check: Check, file_id: UUID) -> Attributes:
    try:
        return committed.attributes(file_id)
    except FileDamaged:
        pass
    except StorageUnavailable as error:
        concerns_one_file(error, check)
    try:
        size = committed.size(file_id)
    except StorageUnavailable as error:
        concerns_one_file(error, check)
        size = None
    return unreadable(file_id, size)


def concerns_one_file(error: StorageUnavailable, check: Check) -> None:
    """A bad sector under one file must not keep all the others from being served. Raises StorageUnavailable where it
    may be more than that."""
    cause = error.__cause__
    if not isinstance(cause, OSError) or cause.errno in SCARCE:
        raise error
    check()


def unreadable(file_id: UUID, size: int | None) -> Attributes:
    """What can still be said of a file whose record cannot be read: it is there, and damaged; never that it is not."""
    return Attributes(
        file_id=file_id,
        original_filename=str(file_id),
        content_type="application/octet-stream",
        size=size or 0,
        checksum="0" * 64,
        uploaded_by="unknown",
        uploaded_at=_time_of(file_id),
        retention_policy=RetentionPolicy.PERMANENT,
        status=FileStatus.DAMAGED,
        damage=UNREADABLE,
    )


def _time_of(file_id: UUID) -> datetime:
    """A UUIDv7 begins with its time in milliseconds (RFC 9562 §5.7)."""
    milliseconds = file_id.int >> 80 if file_id.version == 7 else 0
    # Its 48 bits go on beyond the year 9999, where dates end.
    return datetime.fromtimestamp(min(milliseconds / 1000, _LAST.timestamp()), UTC)

"""Reading every record of a data root, for the index to be made anew."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from typing import Final
from uuid import UUID

from artstore_core.errors import FileDamaged
from artstore_core.files import Attributes, FileStatus
from artstore_core.retention import RetentionPolicy

from storage_element.disk import layout as names
from storage_element.disk.committed import CommittedFiles
from storage_element.disk.failures import meaning
from storage_element.disk.filesystem import FileSystem
from storage_element.disk.layout import Layout

Progress = Callable[[int, int], None]
"""Takes shards done, and all of them."""
UNREADABLE: Final = "record unreadable"
MISSING: Final = "record missing"


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
    layout: Layout, filesystem: FileSystem, committed: CommittedFiles, progress: Progress
) -> Iterator[Attributes]:
    """Every file, shard by shard; one whose record cannot be read is there as damaged."""
    every = shards(layout, filesystem)
    for number, shard in enumerate(every):
        progress(number, len(every))
        for file_id in ids_of_records(layout, filesystem, shard):
            try:
                yield committed.attributes(file_id)
            except FileDamaged:
                yield unreadable(file_id, committed.size(file_id))
    progress(len(every), len(every))


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
    return datetime.fromtimestamp(milliseconds / 1000, UTC)

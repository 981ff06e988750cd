"""The writing side of the log. One thread appends; what it returns is on the disk."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from uuid import uuid4

from artstore_core.errors import StorageFull

from storage_element.disk.durable import Durable
from storage_element.disk.failures import FULL
from storage_element.disk.filesystem import FileSystem
from storage_element.disk.small_files import write_all
from storage_element.disk.wal.format import SEGMENT_HEADER_BYTES, SegmentHeader, encode_group
from storage_element.disk.wal.segments import Segments
from storage_element.store.changes import Change, Logged


class Log:
    """Appends groups to the last segment. `bytes` is what all segments hold, `segments` how many there are.

    A log begins with a segment of its own; those of the log before it are gone by then.
    """

    def __init__(
        self, segments: Segments, filesystem: FileSystem, durable: Durable, storage_id: str, next_sequence: int
    ) -> None:
        self._segments, self._filesystem, self._durable = segments, filesystem, durable
        self._storage_id, self._log_id = storage_id, uuid4()
        self._closed: list[tuple[Path, int]] = []
        self._handle: int | None = None
        self._path, self._size = Path(), 0
        self._next_group, self._next_sequence = 1, next_sequence

    @property
    def bytes(self) -> int:
        return self._size + sum(size for _, size in self._closed)

    @property
    def segments(self) -> int:
        return len(self._closed) + (self._handle is not None)

    @property
    def last_sequence(self) -> int:
        return self._next_sequence - 1

    def begin(self) -> None:
        """Makes the first segment. On a full disk that waits for the first append. Raises StorageUnavailable."""
        with suppress(StorageFull):
            self._open_segment()

    def append(self, changes: Sequence[Change]) -> list[Logged]:
        """The changes with their numbers, once they would survive a power cut.

        Raises StorageFull, with nothing written, and StorageUnavailable: then nobody knows what is on the disk until a
        restart has read it, and nothing more is written.
        """
        if self._durable.failed:
            raise self._durable.fail()
        if self._handle is None:
            self._open_segment()
        handle = self._open_handle()
        group = encode_group(self._log_id, self._next_group, self._next_sequence, changes)
        try:
            write_all(self._filesystem, handle, group)
        except OSError as error:
            self._cut_back(handle, error)
            raise StorageFull("The storage element is full.") from error
        self._durable.data(handle)
        logged = [Logged(self._next_sequence + number, change) for number, change in enumerate(changes)]
        self._size += len(group)
        self._next_group += 1
        self._next_sequence += len(changes)
        return logged

    def rotate(self) -> int:
        """Closes the segment that is being written, unless it is empty; gives the last sequence number in closed ones.

        Raises StorageFull, and then goes on with the old one, and StorageUnavailable.
        """
        if self._size > SEGMENT_HEADER_BYTES:
            old, closed = self._open_handle(), (self._path, self._size)
            self._open_segment()
            self._closed.append(closed)
            self._filesystem.close(old)
        return self.last_sequence

    def drop_closed(self) -> None:
        """Removes the closed segments, oldest first: all that they hold is on the disk elsewhere. Raises OSError."""
        while self._closed:
            self._segments.remove(self._closed[0][0])
            self._closed.pop(0)

    def close(self) -> None:
        if self._handle is not None:
            handle, self._handle = self._handle, None
            self._filesystem.close(handle)

    def _open_segment(self) -> None:
        header = SegmentHeader(self._log_id, self._next_group, self._next_sequence, self._storage_id)
        try:
            self._handle, self._path = self._segments.create(header)
        except OSError as error:
            if error.errno in FULL:
                raise StorageFull("The storage element is full.") from error
            raise self._durable.fail(error) from error
        self._size = SEGMENT_HEADER_BYTES

    def _open_handle(self) -> int:
        if self._handle is None:
            raise self._durable.fail()
        return self._handle

    def _cut_back(self, handle: int, error: OSError) -> None:
        """Leaves nothing of a group that had no room. Any other failure, and one of this, ends all writing."""
        if error.errno not in FULL:
            raise self._durable.fail(error) from error
        try:
            self._filesystem.truncate(handle, self._size)
        except OSError as failed:
            raise self._durable.fail(failed) from failed

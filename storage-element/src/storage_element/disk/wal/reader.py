"""The reading side of the log: what is whole, where it ends, and whether something that was promised is damaged.

The rules, and why they are a proof and not a guess, are told in this package's docstring.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Final
from uuid import UUID

from storage_element.disk.filesystem import READ, FileSystem
from storage_element.disk.wal.format import (
    ALIGNMENT,
    GROUP_HEADER_BYTES,
    GROUP_MAGIC,
    SEGMENT_HEADER_BYTES,
    GroupHeader,
    Malformed,
    SegmentHeader,
    check_payload,
    decode_group_header,
    decode_payload,
    decode_segment_header,
)
from storage_element.disk.wal.meaning import check_meaning
from storage_element.disk.wal.segments import Segments
from storage_element.store.changes import Logged
from storage_element.store.ports import NeedsOperator

_SCAN_BYTES: Final = 1024 * 1024


class LogDamaged(NeedsOperator):
    """Something that was acknowledged cannot be read. The element must not start; nothing was changed.

    `message` goes out to anybody who asks; `detail`, which str() gives as well, is for the log and for commands.
    """

    def __init__(self, path: Path, offset: int, reason: str) -> None:
        super().__init__("The write-ahead log is damaged; nothing was changed. See the element's log.")
        self.path, self.offset, self.reason = path, offset, reason
        self.detail = (
            f"The write-ahead log is damaged: wal/{path.name}, byte {offset}: {reason}. Nothing was changed. "
            "`wal dump` shows what can be read; restore that file and start again."
        )

    def __str__(self) -> str:
        return self.detail


@dataclass(frozen=True, slots=True)
class Tail:
    """Bytes at the end of a segment that were never acknowledged; `offset` 0 means the whole segment."""

    path: Path
    offset: int
    size: int
    reason: str
    log_id: UUID | None = None
    """None where not even that can be read."""


@dataclass(frozen=True, slots=True)
class LogEnd:
    """A log that checks: the sequence numbers that it holds are from `first_sequence` up to before `next_sequence`.

    Both are None where there is no log; they are equal where it is empty.
    """

    first_sequence: int | None
    next_sequence: int | None
    torn: Tail | None


NO_LOG: Final = LogEnd(None, None, None)


@dataclass(frozen=True, slots=True)
class Group:
    """A whole group, and where it lies."""

    path: Path
    offset: int
    header: GroupHeader
    payload: bytes

    def records(self) -> Iterator[Logged]:
        """Raises Malformed."""
        return decode_payload(self.header, self.payload)

    def checked(self) -> Iterator[Logged]:
        """The same, when each can be understood to its last field. Raises LogDamaged."""
        try:
            for logged in self.records():
                check_meaning(logged.change)
                yield logged
        except Malformed as error:  # its checksums are right: nothing tore it, a newer element wrote it
            raise LogDamaged(self.path, self.offset, str(error)) from None


class LogReader:
    """Reads the segments of one log. Raises OSError where they cannot be read."""

    def __init__(self, segments: Segments, filesystem: FileSystem, storage_id: str) -> None:
        self._segments, self._filesystem, self._storage_id = segments, filesystem, storage_id

    def check(self) -> LogEnd:
        """Reads and understands everything once: who applies it later stumbles over nothing. Raises LogDamaged."""
        walk = _Walk(self._filesystem, self._segments.paths(), self._storage_id)
        for group in walk.groups():
            for _ in group.checked():
                pass
        if walk.header is None:
            return replace(NO_LOG, torn=walk.torn)
        return LogEnd(walk.first_sequence, walk.next_sequence, walk.torn)

    def groups(self) -> Iterator[Group]:
        """The whole groups, in order, up to where the log ends. Raises LogDamaged."""
        return _Walk(self._filesystem, self._segments.paths(), self._storage_id).groups()

    def everything(self) -> Iterator[Group | Tail]:
        """The groups, and then the torn tail, if there is one; as much as can be read before LogDamaged is raised."""
        walk = _Walk(self._filesystem, self._segments.paths(), self._storage_id)
        yield from walk.groups()
        if walk.torn is not None:
            yield walk.torn


class _Walk:
    """One reading, from the oldest segment to the end."""

    def __init__(self, filesystem: FileSystem, paths: list[Path], storage_id: str) -> None:
        self._filesystem, self._paths, self._storage_id = filesystem, paths, storage_id
        self.header: SegmentHeader | None = None
        self.first_sequence = self.next_sequence = self.next_group = 1
        self.torn: Tail | None = None

    def groups(self) -> Iterator[Group]:
        for number, path in enumerate(self._paths):
            last = number == len(self._paths) - 1
            with self._opened(path) as handle:
                size = self._filesystem.size(handle)
                if self._begin(path, handle, size, last):
                    yield from self._segment(path, handle, size, last)

    def _begin(self, path: Path, handle: int, size: int, last: bool) -> bool:
        """Whether the segment can be read on."""
        try:
            header = decode_segment_header(self._filesystem.pread(handle, SEGMENT_HEADER_BYTES, 0))
        except Malformed as error:
            if last and size <= SEGMENT_HEADER_BYTES:
                self.torn = Tail(path, 0, size, str(error))
                return False
            raise LogDamaged(path, 0, str(error)) from None
        self._check_order(path, header)
        if self.header is None:
            self.first_sequence = header.first_sequence
        self.header = header
        self.next_group, self.next_sequence = header.first_group, header.first_sequence
        return True

    def _check_order(self, path: Path, header: SegmentHeader) -> None:
        if header.storage_id != self._storage_id:
            raise LogDamaged(path, 0, f"it is the log of another element, {header.storage_id!r}")
        if self.header is None:
            return
        before = self.header.log_id, self.next_group, self.next_sequence
        if (header.log_id, header.first_group, header.first_sequence) != before:
            raise LogDamaged(path, 0, "it does not follow on the segment before it; one is missing, or cut short")

    def _segment(self, path: Path, handle: int, size: int, last: bool) -> Iterator[Group]:
        offset = SEGMENT_HEADER_BYTES
        while offset < size:
            try:
                group = self._read(path, handle, offset)
                if (group.header.number, group.header.first_sequence) != (self.next_group, self.next_sequence):
                    raise Malformed(f"here stands group {group.header.number}, not {self.next_group}")
            except Malformed as error:
                self._end(path, handle, offset, size, str(error), last)
                return
            yield group
            self.next_group += 1
            self.next_sequence += group.header.count
            offset += group.header.total_bytes

    def _read(self, path: Path, handle: int, offset: int) -> Group:
        log_id = self._log_id
        header = decode_group_header(self._filesystem.pread(handle, GROUP_HEADER_BYTES, offset), log_id)
        payload = self._pread(handle, header.payload_bytes, offset + GROUP_HEADER_BYTES)
        check_payload(header, payload, log_id)
        return Group(path, offset, header, payload)

    def _end(self, path: Path, handle: int, offset: int, size: int, reason: str, last: bool) -> None:
        """A torn tail, if nothing whole comes after it. Raises LogDamaged."""
        later = self._later_group(path, handle, offset, size)
        if later is not None:
            raise LogDamaged(path, offset, f"{reason}, and at byte {later} stands a whole group that was written later")
        if not last:
            raise LogDamaged(path, offset, f"{reason}, and there is a segment that was begun later")
        self.torn = Tail(path, offset, size - offset, reason, self._log_id)

    def _later_group(self, path: Path, handle: int, offset: int, size: int) -> int | None:
        """Where a whole group with a higher number than the one expected here begins."""
        for found in self._candidates(handle, offset, size):
            try:
                if self._read(path, handle, found).header.number > self.next_group:
                    return found
            except Malformed:
                continue
        return None

    def _candidates(self, handle: int, offset: int, size: int) -> Iterator[int]:
        """Aligned places that begin like a group; the pieces overlap so that none is cut in two."""
        while offset < size:
            piece = self._filesystem.pread(handle, _SCAN_BYTES + ALIGNMENT, offset)
            at = piece.find(GROUP_MAGIC)
            while 0 <= at < _SCAN_BYTES:
                if (offset + at) % ALIGNMENT == 0:
                    yield offset + at
                at = piece.find(GROUP_MAGIC, at + 1)
            offset += _SCAN_BYTES

    def _pread(self, handle: int, length: int, offset: int) -> bytes:
        pieces = bytearray()
        while len(pieces) < length:
            piece = self._filesystem.pread(handle, length - len(pieces), offset + len(pieces))
            if not piece:
                break
            pieces += piece
        return bytes(pieces)

    @property
    def _log_id(self) -> UUID:
        assert self.header is not None
        return self.header.log_id

    @contextmanager
    def _opened(self, path: Path) -> Iterator[int]:
        handle = self._filesystem.open(path, READ)
        try:
            yield handle
        finally:
            self._filesystem.close(handle)

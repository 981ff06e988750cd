"""Encoding and decoding of segments, groups and records; the layout is told in this package's docstring."""

from __future__ import annotations

import struct
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Final
from uuid import UUID
from zlib import crc32

from storage_element.store.changes import Change, ChangeKind, Logged

SEGMENT_MAGIC: Final = b"ASWAL001"
GROUP_MAGIC: Final = b"ASGR"
ALIGNMENT: Final = 8
_SEGMENT: Final = struct.Struct("<8s16sQQ64s20xI")
_GROUP: Final = struct.Struct("<4sIQQQII")
_RECORD: Final = struct.Struct("<BBHII16s")
SEGMENT_HEADER_BYTES: Final = _SEGMENT.size
GROUP_HEADER_BYTES: Final = _GROUP.size
_HAS_BODY, _HAS_STAGED = 1, 2
MAX_PAYLOAD_BYTES: Final = 64 * 1024 * 1024
"""Far above what a group may hold: a length beyond it is damage, not a reason to allocate."""


class Malformed(ValueError):
    """These bytes are not what the format says."""


@dataclass(frozen=True, slots=True)
class SegmentHeader:
    log_id: UUID
    first_group: int
    first_sequence: int
    storage_id: str


@dataclass(frozen=True, slots=True)
class GroupHeader:
    count: int
    number: int
    first_sequence: int
    payload_bytes: int
    payload_crc: int

    @property
    def total_bytes(self) -> int:
        """With header and padding."""
        return padded(GROUP_HEADER_BYTES + self.payload_bytes)


def padded(length: int) -> int:
    return -(-length // ALIGNMENT) * ALIGNMENT


def encode_segment_header(header: SegmentHeader) -> bytes:
    fields = SEGMENT_MAGIC, header.log_id.bytes, header.first_group, header.first_sequence, header.storage_id.encode()
    unsigned = _SEGMENT.pack(*fields, 0)[:-4]
    return unsigned + struct.pack("<I", crc32(unsigned, crc32(header.log_id.bytes)))


def decode_segment_header(data: bytes) -> SegmentHeader:
    """Raises Malformed."""
    if len(data) != SEGMENT_HEADER_BYTES:
        raise Malformed("the segment's header is cut short")
    magic, log_id, first_group, first_sequence, storage_id, crc = _SEGMENT.unpack(data)
    if magic != SEGMENT_MAGIC:
        raise Malformed("this is no segment of a log, or of another version")
    if crc != crc32(data[:-4], crc32(log_id)):
        raise Malformed("the segment's header does not check")
    return SegmentHeader(UUID(bytes=log_id), first_group, first_sequence, storage_id.rstrip(b"\0").decode())


def encode_group(log_id: UUID, number: int, first_sequence: int, changes: Sequence[Change]) -> bytes:
    """The group as it is written, padding and all."""
    payload = b"".join(part for change in changes for part in _record(change))
    salt = crc32(log_id.bytes)
    fields = GROUP_MAGIC, len(changes), number, first_sequence, len(payload), crc32(payload, salt)
    unsigned = _GROUP.pack(*fields, 0)[:-4]
    length = GROUP_HEADER_BYTES + len(payload)
    return b"".join(
        (unsigned, struct.pack("<I", crc32(unsigned, salt)), payload, bytes(padded(length) - length)),
    )


def decode_group_header(data: bytes, log_id: UUID) -> GroupHeader:
    """Raises Malformed."""
    if len(data) != GROUP_HEADER_BYTES:
        raise Malformed("the group's header is cut short")
    magic, count, number, first_sequence, length, payload_crc, crc = _GROUP.unpack(data)
    if magic != GROUP_MAGIC or crc != crc32(data[:-4], crc32(log_id.bytes)) or length > MAX_PAYLOAD_BYTES:
        raise Malformed("the group's header does not check")
    return GroupHeader(count, number, first_sequence, length, payload_crc)


def check_payload(header: GroupHeader, payload: bytes, log_id: UUID) -> None:
    """Raises Malformed."""
    if len(payload) != header.payload_bytes or crc32(payload, crc32(log_id.bytes)) != header.payload_crc:
        raise Malformed("the group's content does not check")


def decode_payload(header: GroupHeader, payload: bytes) -> Iterator[Logged]:
    """The records of a payload that checks. Raises Malformed for one that nobody of this version wrote."""
    offset = 0
    for number in range(header.count):
        try:
            kind, flags, staged, record, body, file_id = _RECORD.unpack_from(payload, offset)
            change_kind = ChangeKind(kind)
        except (struct.error, ValueError):
            raise Malformed("a record is of no known kind") from None
        offset += _RECORD.size
        text, offset = payload[offset : offset + record], offset + record
        content, offset = payload[offset : offset + body], offset + body
        name, offset = payload[offset : offset + staged], offset + staged
        if offset > len(payload):
            raise Malformed("a record is longer than its group")
        change = Change(
            change_kind,
            UUID(bytes=file_id),
            text,
            body=content if flags & _HAS_BODY else None,
            staged=_text(name) if flags & _HAS_STAGED else None,
        )
        yield Logged(header.first_sequence + number, change)


def _text(name: bytes) -> str:
    try:
        return name.decode()
    except UnicodeDecodeError:
        raise Malformed("a name is no text") from None


def _record(change: Change) -> Iterator[bytes]:
    body, staged = change.body or b"", (change.staged or "").encode()
    flags = (change.body is not None) * _HAS_BODY | (change.staged is not None) * _HAS_STAGED
    fields = change.kind, flags, len(staged), len(change.record), len(body), change.file_id.bytes
    yield _RECORD.pack(*fields)
    yield change.record
    yield body
    yield staged

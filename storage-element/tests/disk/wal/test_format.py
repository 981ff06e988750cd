"""What is written is what is read, and nothing else is taken for it."""

from __future__ import annotations

import re
import struct
from uuid import UUID, uuid4

import pytest
from hypothesis import given
from hypothesis import strategies as st
from storage_element.disk.wal import format as wal
from storage_element.disk.wal.format import Malformed, SegmentHeader
from storage_element.store.changes import Change, ChangeKind

LOG = UUID("0192a000-0000-4000-8000-000000000001")
NAMES = st.from_regex(re.compile(r"[0-9a-f]{32}\.tmp"), fullmatch=True)
CHANGES = st.builds(
    Change,
    st.sampled_from(list(ChangeKind)),
    st.uuids(),
    st.binary(max_size=300),
    body=st.none() | st.binary(max_size=300),
    staged=st.none() | NAMES,
)
COUNTER = st.integers(0, 2**63)


@given(
    log_id=st.uuids(), number=COUNTER, first=st.integers(0, 2**40), changes=st.lists(CHANGES, min_size=1, max_size=8)
)
def test_group_comes_out_as_it_went_in(log_id: UUID, number: int, first: int, changes: list[Change]) -> None:
    written = wal.encode_group(log_id, number, first, changes)
    header = wal.decode_group_header(written[: wal.GROUP_HEADER_BYTES], log_id)
    payload = written[wal.GROUP_HEADER_BYTES :][: header.payload_bytes]
    wal.check_payload(header, payload, log_id)
    read = list(wal.decode_payload(header, payload))
    assert [logged.change for logged in read] == changes  # an empty body is not the same as none
    assert [logged.sequence for logged in read] == list(range(first, first + len(changes)))
    assert (header.number, header.total_bytes) == (number, len(written))
    assert len(written) % wal.ALIGNMENT == 0
    assert not any(written[wal.GROUP_HEADER_BYTES + header.payload_bytes :])


@given(log_id=st.uuids(), group=COUNTER, sequence=COUNTER, storage_id=st.from_regex(r"[a-z0-9-]{1,63}", fullmatch=True))
def test_segment_header_comes_out_as_it_went_in(log_id: UUID, group: int, sequence: int, storage_id: str) -> None:
    header = SegmentHeader(log_id, group, sequence, storage_id)
    written = wal.encode_segment_header(header)
    assert len(written) == wal.SEGMENT_HEADER_BYTES
    assert wal.decode_segment_header(written) == header


def test_format_is_the_one_that_is_described() -> None:
    """Byte by byte, so that nobody changes it without noticing."""
    segment = wal.encode_segment_header(SegmentHeader(LOG, 3, 7, "se-1"))
    assert segment[:8] == b"ASWAL001"
    assert segment[8:24] == LOG.bytes
    assert struct.unpack("<QQ", segment[24:40]) == (3, 7)
    assert segment[40:104] == b"se-1".ljust(64, b"\0")
    assert not any(segment[104:124])
    group = wal.encode_group(LOG, 3, 7, [Change(ChangeKind.PUT, LOG, b"text", body=b"body", staged="name")])
    assert group[:4] == b"ASGR"
    assert struct.unpack("<IQQQ", group[4:32]) == (1, 3, 7, 28 + 12)
    assert struct.unpack("<BBHII", group[40:52]) == (1, 3, 4, 4, 4)
    assert group[52:68] == LOG.bytes
    assert group[68:80] == b"textbodyname"
    assert len(group) == 80


def test_every_flipped_bit_of_a_group_is_noticed() -> None:
    written = wal.encode_group(LOG, 1, 1, [Change(ChangeKind.PUT, LOG, b"text", body=b"some bytes")])
    length = wal.decode_group_header(written[: wal.GROUP_HEADER_BYTES], LOG).payload_bytes
    for bit in range(8 * (wal.GROUP_HEADER_BYTES + length)):
        damaged = bytearray(written)
        damaged[bit // 8] ^= 1 << bit % 8
        with pytest.raises(Malformed):
            header = wal.decode_group_header(bytes(damaged[: wal.GROUP_HEADER_BYTES]), LOG)
            wal.check_payload(header, bytes(damaged[wal.GROUP_HEADER_BYTES :][: header.payload_bytes]), LOG)


def test_every_flipped_bit_of_a_segment_header_is_noticed() -> None:
    written = wal.encode_segment_header(SegmentHeader(LOG, 1, 1, "se-1"))
    for bit in range(8 * len(written)):
        damaged = bytearray(written)
        damaged[bit // 8] ^= 1 << bit % 8
        with pytest.raises(Malformed):
            wal.decode_segment_header(bytes(damaged))


@given(data=st.binary(max_size=200))
def test_anything_else_is_malformed_and_never_another_error(data: bytes) -> None:
    for decode in (lambda: wal.decode_segment_header(data), lambda: wal.decode_group_header(data, LOG)):
        with pytest.raises(Malformed):
            decode()
    header = wal.GroupHeader(3, 1, 1, len(data), 0)
    with pytest.raises(Malformed):  # a payload that checks and was written by nobody of this version
        list(wal.decode_payload(header, data[:20] + b"\xff" * 40))


def test_group_of_another_log_is_none_of_this_one() -> None:
    written = wal.encode_group(uuid4(), 1, 1, [Change(ChangeKind.PUT, LOG, b"text")])
    with pytest.raises(Malformed):
        wal.decode_group_header(written[: wal.GROUP_HEADER_BYTES], LOG)


def test_impossible_length_is_not_allocated() -> None:
    written = bytearray(wal.encode_group(LOG, 1, 1, [Change(ChangeKind.PUT, LOG, b"text")]))
    struct.pack_into("<Q", written, 24, 2**60)
    with pytest.raises(Malformed):
        wal.decode_group_header(bytes(written[: wal.GROUP_HEADER_BYTES]), LOG)

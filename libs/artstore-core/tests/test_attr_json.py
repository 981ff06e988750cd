"""The truth beside each file: it comes back as it was, and says so when it does not."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

import pytest
from artstore_core.attr_json import decode, encode
from artstore_core.files import Attributes, FileStatus
from artstore_core.retention import RetentionPolicy
from hypothesis import given
from hypothesis import strategies as st

JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=10,
)


def record(**changes: Any) -> Attributes:
    given: dict[str, Any] = {
        "file_id": UUID("01920000-0000-7000-8000-0000000000ab"),
        "original_filename": "отчёт.pdf",
        "content_type": "application/pdf",
        "size": 5,
        "checksum": "a" * 64,
        "uploaded_by": "sa:x",
        "uploaded_at": datetime(2026, 11, 21, 12, 0, 0, 123456, UTC),
        "retention_policy": RetentionPolicy.PERMANENT,
    }
    return Attributes(**(given | changes))


@given(metadata=st.dictionaries(st.text(), JSON, max_size=5), later=JSON)
def test_record_comes_back_as_it_was(metadata: dict[str, Any], later: Any) -> None:
    try:
        written = record(metadata=metadata, field_of_a_later_version=later)
        text = encode(written)
    except (ValueError, UnicodeEncodeError):
        return  # half a surrogate pair: no such record is ever let in
    assert decode(text) == written
    assert encode(decode(text)) == text


def test_every_flipped_bit_is_noticed() -> None:
    text = encode(record(tags=["a"], description="годовой"))
    whole = decode(text)
    for bit in range(len(text) * 8):
        rotten = bytearray(text)
        rotten[bit // 8] ^= 1 << bit % 8
        try:
            found = decode(bytes(rotten))
        except ValueError:
            continue
        assert found == whole, f"bit {bit}"  # it stands between the fields, and says nothing


def test_record_that_was_mended_by_hand_is_taken_without_its_checksum() -> None:
    fields = json.loads(encode(record()))
    fields["description"] = "mended"
    with pytest.raises(ValueError, match="not as it was written"):
        decode(json.dumps(fields).encode())
    del fields["record_checksum"]
    assert decode(json.dumps(fields).encode()).description == "mended"


def test_what_does_not_apply_is_not_there() -> None:
    assert not {"deleted_at", "deleted_by", "damage"} & set(json.loads(encode(record())))
    deleted = record(status=FileStatus.DELETED, deleted_at=datetime(2026, 11, 22, tzinfo=UTC), deleted_by="sa:x")
    assert json.loads(encode(deleted))["deleted_at"] == "2026-11-22T00:00:00Z"


@pytest.mark.parametrize("text", [b"", b"[]", b"null", b"{}", b'{"file_id": 5}', b"\xff"])
def test_what_is_no_record_is_refused(text: bytes) -> None:
    with pytest.raises(ValueError):
        decode(text)

"""What is taken for damage, and what is not."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import uuid4

import pytest
from artstore_core.attr_json import decode, encode
from artstore_core.files import Attributes, FileStatus
from artstore_core.retention import RetentionPolicy
from storage_element.store.findings import FindingKind, compare, diagnose
from storage_element.store.inspection import Seen

NOW = datetime(2026, 11, 22, tzinfo=UTC)
RECORD = Attributes(
    file_id=uuid4(),
    original_filename="a",
    content_type="text/plain",
    size=5,
    checksum="ab" * 32,
    uploaded_by="sa:x",
    uploaded_at=NOW,
    metadata={"weight": 0.1, "deep": {"x": [1, None, "й"]}},
    retention_policy=RetentionPolicy.PERMANENT,
)


def changed(**fields: Any) -> Attributes:
    return RECORD.model_copy(update=fields)


EXPIRED = changed(expires_at=NOW - timedelta(seconds=1))
DELETED = changed(status=FileStatus.DELETED)
DAMAGED = changed(status=FileStatus.DAMAGED)


@pytest.mark.parametrize(
    ("record", "size", "known", "kind"),
    [
        (RECORD, 5, RECORD, None),
        (RECORD, 4, RECORD, FindingKind.SIZE_MISMATCH),
        (RECORD, None, RECORD, FindingKind.DATA_MISSING),
        (None, 5, None, FindingKind.ORPHANED_DATA),
        (None, None, None, None),
        (None, 5, RECORD, FindingKind.RECORD_MISSING),
        (None, None, DELETED, FindingKind.RECORD_MISSING),
        (RECORD, 5, None, FindingKind.RECORD_CHANGED),
        (changed(revision=2), 5, RECORD, FindingKind.RECORD_CHANGED),
        (EXPIRED, None, EXPIRED, None),
        (DELETED, None, DELETED, None),
        (DAMAGED, None, DAMAGED, None),
    ],
)
def test_diagnosis(
    record: Attributes | None, size: int | None, known: Attributes | None, kind: FindingKind | None
) -> None:
    assert diagnose(Seen(record, unreadable=False, size=size), known, NOW) is kind


def test_unreadable_record_is_one_whatever_is_known() -> None:
    for known in (None, RECORD):
        assert diagnose(Seen(None, unreadable=True, size=5), known, NOW) is FindingKind.RECORD_UNREADABLE


def test_record_is_the_same_however_it_was_kept() -> None:
    """Else every file of an element would look changed by hand."""
    read, indexed = decode(encode(RECORD)), Attributes.model_validate_json(RECORD.model_dump_json())
    assert read == indexed == RECORD
    strange = Attributes.model_validate(RECORD.model_dump() | {"later_field": [1, {"a": 2}]})
    assert decode(encode(strange)) == Attributes.model_validate_json(strange.model_dump_json())


@pytest.mark.parametrize(
    ("record", "checksum", "size", "kind"),
    [
        (RECORD, RECORD.checksum, 5, None),
        (RECORD, "0" * 64, 5, FindingKind.CHECKSUM_MISMATCH),
        (RECORD, RECORD.checksum, 6, FindingKind.CHECKSUM_MISMATCH),
        (DAMAGED, RECORD.checksum, 5, FindingKind.HEALED),
        (DAMAGED, "0" * 64, 5, None),
    ],
)
def test_comparison(record: Attributes, checksum: str, size: int, kind: FindingKind | None) -> None:
    assert compare(record, checksum, size) is kind

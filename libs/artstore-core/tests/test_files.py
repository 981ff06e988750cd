"""What may be said of a file, and what may not."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta, timezone
from typing import Any
from uuid import uuid4

import pytest
from artstore_core.errors import ValidationFailed
from artstore_core.files import Attributes, File, NewFile
from artstore_core.ids import new_id
from artstore_core.retention import RetentionPolicy, expiry, settle_ttl
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

NOON = datetime(2026, 11, 21, 12, tzinfo=UTC)
GOOD: dict[str, Any] = {
    "original_filename": "отчёт.pdf",
    "content_type": "application/pdf",
    "uploaded_by": "sa:sa_scanner_x7k2",
}


def nested(depth: int) -> dict[str, Any]:
    value: dict[str, Any] = {}
    for _ in range(depth - 1):
        value = {"a": value}
    return value


def attributes(**changes: Any) -> Attributes:
    known = {
        "file_id": uuid4(),
        "size": 5,
        "checksum": "0" * 64,
        "uploaded_at": NOON,
        "retention_policy": "permanent",
        **GOOD,
    }
    return Attributes.model_validate(known | changes)


@pytest.mark.parametrize(
    "change",
    [
        {"original_filename": ""},
        {"original_filename": "   "},
        {"original_filename": "a\x00b"},
        {"original_filename": "a\nb"},
        {"original_filename": "я" * 513},
        {"original_filename": "a" + "\u0301" * 100_000 + "\u0316" * 100_000},  # half a minute, were it normalised
        {"content_type": "pdf"},
        {"tags": [""]},
        {"tags": ["x" * 101]},
        {"tags": [str(number) for number in range(101)]},
        {"metadata": {"a": "\x00"}},
        {"metadata": {"a": "\ud800"}},
        {"metadata": {"a": float("nan")}},
        {"metadata": {"a": "x" * 16_384}},
        {"metadata": nested(900)},
        {"metadata": nested(33)},
        {"description": "x" * 10_001},
        {"description": "a\x00b"},
        {"ttl_days": 0},
        {"ttl_days": 366},
        {"surprise": 1},
    ],
)
def test_new_file_refuses(change: dict[str, Any]) -> None:
    with pytest.raises(ValidationError):
        NewFile.model_validate(GOOD | change)


def test_name_is_kept_as_given_but_composed() -> None:
    assert NewFile.model_validate(GOOD | {"original_filename": "и\u0306.txt"}).original_filename == "й.txt"
    assert NewFile.model_validate(GOOD | {"original_filename": "../etc/passwd"}).original_filename == "../etc/passwd"


def test_tags_are_trimmed_and_said_once() -> None:
    assert NewFile.model_validate(GOOD | {"tags": [" b ", "a", "b"]}).tags == ["b", "a"]


def test_moments_leave_in_utc_with_z() -> None:
    moscow = datetime(2026, 11, 21, 15, tzinfo=timezone(timedelta(hours=3)))
    assert attributes(uploaded_at=moscow).model_dump(mode="json")["uploaded_at"] == "2026-11-21T12:00:00Z"


@pytest.mark.parametrize("moment", ["2026-11-21T12:00:00", "0001-01-01T00:00:00+14:00", "9999-12-31T23:59:59-14:00"])
def test_moment_without_zone_or_out_of_range_is_refused(moment: str) -> None:
    with pytest.raises(ValidationError):
        attributes(uploaded_at=moment)


def test_metadata_may_be_nested_to_the_limit() -> None:
    assert NewFile.model_validate(GOOD | {"metadata": nested(32)}).metadata == nested(32)


def test_attributes_keep_what_a_newer_version_wrote() -> None:
    written = attributes(colour="red").model_dump_json()
    assert '"colour":"red"' in Attributes.model_validate_json(written).model_dump_json()


def test_attributes_of_an_unknown_schema_are_refused() -> None:
    with pytest.raises(ValidationError):
        attributes(schema_version=2)


def test_public_face_hides_what_is_not_the_clients() -> None:
    assert type(attributes(colour="red").public()) is File
    assert "colour" not in attributes(colour="red").public().model_dump()


@given(st.text(max_size=200))
def test_any_accepted_name_survives_json(name: str) -> None:
    try:
        file = NewFile.model_validate(GOOD | {"original_filename": name})
    except ValidationError:
        return
    assert NewFile.model_validate_json(file.model_dump_json()) == file


def test_ids_sort_by_the_time_they_were_made() -> None:
    ids = [new_id() for _ in range(1000)]
    assert ids == sorted(ids)
    assert {one.version for one in ids} == {7}


@pytest.mark.parametrize(
    ("policy", "asked", "days"),
    [("permanent", None, None), ("temporary", None, 30), ("temporary", 1, 1), ("temporary", 365, 365)],
)
def test_ttl_is_settled(policy: str, asked: int | None, days: int | None) -> None:
    assert settle_ttl(RetentionPolicy(policy), asked) == days
    assert expiry(NOON, days) == (NOON + timedelta(days=days) if days else None)


@pytest.mark.parametrize(("policy", "asked"), [("permanent", 1), ("temporary", 0), ("temporary", 366)])
def test_ttl_is_refused(policy: str, asked: int) -> None:
    with pytest.raises(ValidationFailed) as refusal:
        settle_ttl(RetentionPolicy(policy), asked)
    assert "ttl_days" in refusal.value.details


def test_file_is_gone_from_its_expiry_on() -> None:
    file = attributes(expires_at=NOON)
    assert file.is_expired(NOON)
    assert not file.is_expired(NOON - timedelta(microseconds=1))

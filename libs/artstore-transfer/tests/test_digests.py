"""Digest fields (RFC 9530)."""

import hashlib

import pytest
from artstore_core.errors import ValidationFailed
from artstore_transfer import format_digest, sha256_of
from hypothesis import given
from hypothesis import strategies as st

HEX = hashlib.sha256(b"hello").hexdigest()
FIELD = "sha-256=:LPJNul+wow4m6DsqxbninhsWHlwfp0JecwQzYpOLmCQ=:"


@pytest.mark.parametrize(
    ("field", "expected"),
    [
        (None, None),
        (FIELD, HEX),
        (f"  {FIELD}  ", HEX),
        (f"sha-512=:AAAA:, {FIELD}", HEX),
        (f"{FIELD},md5=:AAAA:", HEX),
        (f"{FIELD};q=1", HEX),
        ("sha-512=:AAAA:", None),
        (f"sha-256=:AAAA:, {FIELD}", HEX),
    ],
)
def test_sha256_is_found(field: str | None, expected: str | None) -> None:
    assert sha256_of(field) == expected


@pytest.mark.parametrize(
    "field",
    [
        "",
        "nonsense",
        HEX,
        f"sha-256={HEX}",
        "sha-256=:AAAA:",
        "sha-256=:===:",
        "sha-256=::",
        f"SHA-256={FIELD[8:]}",
        f"{FIELD},",
    ],
)
def test_unreadable_field_is_refused(field: str) -> None:
    with pytest.raises(ValidationFailed):
        sha256_of(field)


@given(st.binary(max_size=64))
def test_digest_comes_back(data: bytes) -> None:
    checksum = hashlib.sha256(data).hexdigest()
    assert sha256_of(format_digest(checksum)) == checksum


@given(st.text(max_size=80))
def test_no_field_breaks_the_reader(field: str) -> None:
    try:
        found = sha256_of(field)
    except ValidationFailed:
        return
    assert found is None or len(found) == 64

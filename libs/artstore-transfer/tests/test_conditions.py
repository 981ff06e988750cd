"""Conditional requests, as a table (RFC 9110 §13)."""

from datetime import UTC, datetime

import pytest
from artstore_core.errors import PreconditionFailed
from artstore_transfer import Conditions, Verdict, http_date, judge, matching, parse_http_date, range_applies
from hypothesis import given
from hypothesis import strategies as st

ETAG = '"abc"'
MODIFIED = datetime(2026, 11, 21, 12, 0, 0, 123456, tzinfo=UTC)
THEN, BEFORE, AFTER = (
    "Sat, 21 Nov 2026 12:00:00 GMT",
    "Sat, 21 Nov 2026 11:59:59 GMT",
    "Sat, 21 Nov 2026 12:00:01 GMT",
)
FULL, NOT_MODIFIED, FAILED = Verdict.PROCEED, Verdict.NOT_MODIFIED, "412"


def verdict(method: str = "GET", **conditions: str) -> Verdict | str:
    try:
        return judge(method, Conditions(**conditions), etag=ETAG, last_modified=MODIFIED)
    except PreconditionFailed:
        return FAILED


@pytest.mark.parametrize(
    ("conditions", "expected"),
    [
        ({}, FULL),
        ({"if_match": ETAG}, FULL),
        ({"if_match": "*"}, FULL),
        ({"if_match": '"x", "abc"'}, FULL),
        ({"if_match": '"x"'}, FAILED),
        ({"if_match": f"W/{ETAG}"}, FAILED),  # strong comparison
        ({"if_match": "abc"}, FAILED),
        ({"if_match": ""}, FAILED),
        ({"if_unmodified_since": THEN}, FULL),
        ({"if_unmodified_since": AFTER}, FULL),
        ({"if_unmodified_since": BEFORE}, FAILED),
        ({"if_unmodified_since": "yesterday"}, FULL),
        ({"if_match": ETAG, "if_unmodified_since": BEFORE}, FULL),  # the date is not looked at
        ({"if_none_match": ETAG}, NOT_MODIFIED),
        ({"if_none_match": f"W/{ETAG}"}, NOT_MODIFIED),  # weak comparison
        ({"if_none_match": '"x",,"abc"'}, NOT_MODIFIED),
        ({"if_none_match": '"a,b", "abc"'}, NOT_MODIFIED),  # a comma may stand inside a tag
        ({"if_none_match": "*"}, NOT_MODIFIED),
        ({"if_none_match": '"x"'}, FULL),
        ({"if_none_match": '"abc'}, FULL),
        ({"if_none_match": '"ABC"'}, FULL),
        ({"if_modified_since": THEN}, NOT_MODIFIED),
        ({"if_modified_since": AFTER}, NOT_MODIFIED),
        ({"if_modified_since": BEFORE}, FULL),
        ({"if_modified_since": "Sat, 21 Nov 2026 12:00:00 +0300"}, FULL),
        ({"if_modified_since": "Saturday, 21-Nov-26 12:00:00 GMT"}, NOT_MODIFIED),
        ({"if_modified_since": "Sat Nov 21 12:00:00 2026"}, NOT_MODIFIED),
        ({"if_modified_since": "Sat, 99 Nov 2026 12:00:00 GMT"}, FULL),
        ({"if_none_match": '"x"', "if_modified_since": AFTER}, FULL),  # the tag outranks the date
        ({"if_none_match": ETAG, "if_modified_since": BEFORE}, NOT_MODIFIED),
        ({"if_match": '"x"', "if_none_match": ETAG}, FAILED),  # If-Match comes first
        ({"if_match": ETAG, "if_none_match": ETAG}, NOT_MODIFIED),
    ],
)
def test_verdict_is(conditions: dict[str, str], expected: Verdict | str) -> None:
    assert verdict(**conditions) == expected
    assert verdict("HEAD", **conditions) == expected


def test_if_none_match_stops_a_write_with_412() -> None:
    assert verdict("PUT", if_none_match="*") == FAILED
    assert verdict("PUT", if_modified_since=AFTER) == FULL


@pytest.mark.parametrize(
    ("conditions", "applies"),
    [
        ({}, False),
        ({"range": "bytes=0-1"}, True),
        ({"range": "bytes=0-1", "if_range": ETAG}, True),
        ({"range": "bytes=0-1", "if_range": f" {ETAG} "}, True),
        ({"range": "bytes=0-1", "if_range": f"W/{ETAG}"}, False),
        ({"range": "bytes=0-1", "if_range": '"x"'}, False),
        ({"range": "bytes=0-1", "if_range": THEN}, True),
        ({"range": "bytes=0-1", "if_range": AFTER}, False),
        ({"range": "bytes=0-1", "if_range": "nonsense"}, False),
    ],
)
def test_range_applies(conditions: dict[str, str], applies: bool) -> None:
    asked = Conditions(**conditions)
    assert range_applies("GET", asked, etag=ETAG, last_modified=MODIFIED) is applies
    assert range_applies("HEAD", asked, etag=ETAG, last_modified=MODIFIED) is False


def test_repeated_headers_are_one_list() -> None:
    raw = [(b"If-None-Match", b'"x"'), (b"Host", b"example"), (b"if-none-match", b'"abc"'), (b"Range", b"bytes=0-1")]
    assert Conditions.of(raw) == Conditions(if_none_match='"x", "abc"', range="bytes=0-1")


@given(st.text(max_size=60))
def test_no_header_breaks_the_verdict(text: str) -> None:
    for name in ("if_match", "if_none_match", "if_modified_since", "if_unmodified_since"):
        verdict(**{name: text})
    range_applies("GET", Conditions(range="bytes=0-1", if_range=text), etag=ETAG, last_modified=MODIFIED)


@given(st.datetimes(min_value=datetime(1970, 1, 2), max_value=datetime(2999, 1, 1), timezones=st.just(UTC)))  # noqa: DTZ001
def test_dates_come_back_in_whole_seconds(moment: datetime) -> None:
    assert parse_http_date(http_date(moment)) == moment.replace(microsecond=0)


@pytest.mark.parametrize(
    ("header", "passes"),
    [(None, True), ("*", True), ('"3"', True), ('"1", "3"', True), ('W/"3"', False), ('"4"', False), ("3", False)],
)
def test_if_match_compares_strongly(header: str | None, passes: bool) -> None:
    assert matching(header)('"3"') is passes

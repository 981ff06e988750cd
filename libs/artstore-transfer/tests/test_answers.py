"""The whole answer: one table that every sender of bytes keeps to."""

from dataclasses import replace
from datetime import UTC, datetime

import pytest
from artstore_core.errors import InvalidRange, PreconditionFailed
from artstore_transfer import ByteRange, Conditions, Representation, answer, format_digest

CHECKSUM = "ab" * 32
ETAG = f'"{CHECKSUM}"'
PDF = Representation(
    size=10,
    checksum=CHECKSUM,
    content_type="application/pdf",
    last_modified=datetime(2026, 11, 21, 12, 0, 0, 999999, tzinfo=UTC),
    filename="отчёт.pdf",
)
PAGE = replace(PDF, content_type="text/html", filename="page.html")


def test_whole_file() -> None:
    got = answer(PDF, "GET", Conditions())
    assert (got.status, got.body) == (200, ByteRange(0, 10))
    assert got.headers == {
        "ETag": ETAG,
        "Last-Modified": "Sat, 21 Nov 2026 12:00:00 GMT",
        "Accept-Ranges": "bytes",
        "Cache-Control": "private, no-cache",
        "X-Content-Type-Options": "nosniff",
        "Content-Type": "application/pdf",
        "Content-Length": "10",
        "Content-Disposition": "inline; filename=\"_____.pdf\"; filename*=UTF-8''%D0%BE%D1%82%D1%87%D1%91%D1%82.pdf",
        "Repr-Digest": format_digest(CHECKSUM),
        "Content-Digest": format_digest(CHECKSUM),
    }


def test_head_has_the_same_headers_and_no_body_and_ignores_range() -> None:
    head = answer(PDF, "HEAD", Conditions(range="bytes=0-1"))
    assert head.body is None
    got = answer(PDF, "GET", Conditions()).headers
    del got["Content-Digest"]  # HEAD's own content is empty, and its digest another
    assert (head.status, head.headers) == (200, got)


def test_part_of_a_file() -> None:
    got = answer(PDF, "GET", Conditions(range="bytes=2-4"))
    assert (got.status, got.body) == (206, ByteRange(2, 5))
    assert got.headers["Content-Range"] == "bytes 2-4/10"
    assert got.headers["Content-Length"] == "3"
    assert got.headers["Repr-Digest"] == format_digest(CHECKSUM)
    assert "Content-Digest" not in got.headers  # the file's digest is not the part's


def test_a_page_is_saved_and_sandboxed() -> None:
    headers = answer(PAGE, "GET", Conditions()).headers
    assert headers["Content-Disposition"].startswith("attachment;")
    assert headers["Content-Security-Policy"] == "default-src 'none'; sandbox"


def test_not_modified_has_validators_and_no_content_headers() -> None:
    got = answer(PAGE, "GET", Conditions(if_none_match=ETAG, range="bytes=99-"))
    assert (got.status, got.body) == (304, None)
    assert got.headers["ETag"] == ETAG
    assert not {"Content-Length", "Content-Type", "Content-Range", "Content-Disposition"} & set(got.headers)


def test_preconditions_come_before_the_range() -> None:
    with pytest.raises(PreconditionFailed):
        answer(PDF, "GET", Conditions(if_match='"other"', range="bytes=99-"))


def test_range_outside_is_416_unless_if_range_is_of_another_file() -> None:
    with pytest.raises(InvalidRange):
        answer(PDF, "GET", Conditions(range="bytes=10-"))
    assert answer(PDF, "GET", Conditions(range="bytes=10-", if_range='"other"')).status == 200


def test_empty_file_is_whole_with_no_bytes() -> None:
    empty = replace(PDF, size=0)
    got = answer(empty, "GET", Conditions())
    assert (got.status, got.body, got.headers["Content-Length"]) == (200, ByteRange(0, 0), "0")


@pytest.mark.parametrize("bad", ["text/plain\r\nX-Evil: 1", "text/plain; a=\r", "text/пример", "", " text/plain"])
def test_a_record_cannot_add_headers(bad: str) -> None:
    assert (
        answer(replace(PDF, content_type=bad), "GET", Conditions()).headers["Content-Type"]
        == "application/octet-stream"
    )

"""Range, as a table (RFC 9110 §14)."""

import pytest
from artstore_core.errors import InvalidRange
from artstore_transfer import ByteRange, parse_range
from hypothesis import given
from hypothesis import strategies as st

WHOLE = None


@pytest.mark.parametrize(
    ("header", "size", "expected"),
    [
        (None, 10, WHOLE),
        ("bytes=0-4", 10, (0, 5)),
        ("bytes=0-0", 10, (0, 1)),
        ("bytes=9-9", 10, (9, 10)),
        ("bytes=5-", 10, (5, 10)),
        ("bytes=0-", 10, (0, 10)),
        ("bytes=0-99", 10, (0, 10)),
        ("bytes=-3", 10, (7, 10)),
        ("bytes=-10", 10, (0, 10)),
        ("bytes=-99", 10, (0, 10)),
        ("BYTES=1-2", 10, (1, 3)),
        ("bytes= 1-2 ", 10, (1, 3)),
        ("bytes=1-2,", 10, (1, 3)),  # an empty element of a list is skipped
        ("bytes=0000000000000000000000000000001-2", 10, (1, 3)),
        ("bytes=1-99999999999999999999999999999999999", 10, (1, 10)),
        ("bytes=-" + "9" * 5000, 10, (0, 10)),
        # several ranges, another unit, bad syntax: the whole file
        ("bytes=0-1,3-4", 10, WHOLE),
        ("bytes=99-,0-1", 10, WHOLE),
        ("items=0-1", 10, WHOLE),
        ("bytes", 10, WHOLE),
        ("bytes=", 10, WHOLE),
        ("bytes=-", 10, WHOLE),
        ("bytes=5-3", 10, WHOLE),
        ("bytes=a-b", 10, WHOLE),
        ("bytes=1.5-2", 10, WHOLE),
        ("bytes=1 - 2", 10, WHOLE),
        ("bytes=--1", 10, WHOLE),
        ("bytes=+1-2", 10, WHOLE),
        ("bytes=١-٢", 10, WHOLE),  # digits, but not ASCII's
        ("bytes=0x1-2", 10, WHOLE),
        ("0-4", 10, WHOLE),
        # the last bytes of an empty file are all of it
        ("bytes=-5", 0, WHOLE),
    ],
)
def test_range_is(header: str | None, size: int, expected: tuple[int, int] | None) -> None:
    assert parse_range(header, size) == (expected and ByteRange(*expected))


@pytest.mark.parametrize(
    ("header", "size"),
    [
        ("bytes=10-", 10),
        ("bytes=10-20", 10),
        ("bytes=-0", 10),
        ("bytes=0-", 0),
        ("bytes=0-0", 0),
        ("bytes=-0", 0),
        ("bytes=99999999999999999999999999-", 10),
    ],
)
def test_range_outside_the_file_is_refused_with_its_size(header: str, size: int) -> None:
    with pytest.raises(InvalidRange) as caught:
        parse_range(header, size)
    assert caught.value.headers == {"Content-Range": f"bytes */{size}"}


@given(
    header=st.text(max_size=40) | st.from_regex(r"bytes=[0-9]{0,3}-[0-9]{0,3}", fullmatch=True),
    size=st.integers(0, 500),
)
def test_no_header_leads_outside_the_file(header: str, size: int) -> None:
    try:
        part = parse_range(header, size)
    except InvalidRange:
        return
    assert part is None or 0 <= part.start < part.stop <= size


def test_content_range_counts_the_last_byte_in() -> None:
    assert ByteRange(0, 5).content_range(10) == "bytes 0-4/10"
    assert ByteRange(0, 5).length == 5

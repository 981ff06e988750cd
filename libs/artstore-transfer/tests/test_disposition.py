"""Names and the choice between showing and saving."""

from email.message import Message
from urllib.parse import unquote

import pytest
from artstore_transfer import content_disposition, may_show_inline
from hypothesis import given
from hypothesis import strategies as st


@pytest.mark.parametrize(
    ("content_type", "inline"),
    [
        ("image/png", True),
        ("IMAGE/JPEG", True),
        ("application/pdf", True),
        ("audio/mpeg", True),
        ("video/mp4; codecs=avc1", True),
        ("text/plain; charset=utf-8", True),
        ("image/svg+xml", False),
        ("text/html", False),
        ("text/xml", False),
        ("application/xhtml+xml", False),
        ("application/javascript", False),
        ("application/octet-stream", False),
        ("image/png, text/html", False),
        ("video/mp4, text/html", False),
        ("video/", False),
        ("", False),
    ],
)
def test_only_what_cannot_run_is_shown_in_place(content_type: str, inline: bool) -> None:
    assert may_show_inline(content_type) is inline
    assert content_disposition("a", content_type).startswith("inline;" if inline else "attachment;")
    assert content_disposition("a", content_type, "inline").startswith("inline;" if inline else "attachment;")
    assert content_disposition("a", content_type, "attachment").startswith("attachment;")


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("report.pdf", "filename=\"report.pdf\"; filename*=UTF-8''report.pdf"),
        ("отчёт.pdf", "filename=\"_____.pdf\"; filename*=UTF-8''%D0%BE%D1%82%D1%87%D1%91%D1%82.pdf"),
        ('a"b\\c.txt', "filename=\"a_b_c.txt\"; filename*=UTF-8''a%22b%5Cc.txt"),
        ("100%25.txt", "filename=\"100_25.txt\"; filename*=UTF-8''100%2525.txt"),
        ("../../etc/passwd", "filename=\".._.._etc_passwd\"; filename*=UTF-8''..%2F..%2Fetc%2Fpasswd"),
        ("it's (1).txt", "filename=\"it's (1).txt\"; filename*=UTF-8''it%27s%20%281%29.txt"),
        ("evil\u202efdp.exe", "filename=\"evil_fdp.exe\"; filename*=UTF-8''evil_fdp.exe"),
    ],
)
def test_name_is_written(name: str, expected: str) -> None:
    assert content_disposition(name, "application/zip") == f"attachment; {expected}"


@given(st.text(max_size=80))
def test_no_name_breaks_out_of_the_header(name: str) -> None:
    header = content_disposition(name, "application/zip")
    assert header.isascii()
    assert header.isprintable()
    assert header.count('"') == 2
    message = Message()
    message["Content-Disposition"] = header
    assert message.get_content_disposition() == "attachment"


@given(st.text(st.characters(categories=["L", "N", "P", "S"]), min_size=1, max_size=80))
def test_ordinary_names_come_back_from_the_extended_form(name: str) -> None:
    extended = content_disposition(name, "application/zip").partition("filename*=UTF-8''")[2]
    assert unquote(extended) == name

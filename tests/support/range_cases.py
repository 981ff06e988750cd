"""What HTTP's rules for conditions and ranges make of a request (RFC 9110 §13, §14), as a table.

The answers stand here as the RFC gives them, and are not taken from the code that makes them.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final, Literal

Part = tuple[int, int | None]


@dataclass(frozen=True)
class Case:
    """A request, and its answer. In `headers` `{etag}`, `{size}` and so on stand for the file's (range_files.Stored).

    `part`: the bytes that come with 206, as a slice; negative numbers count from the end.
    """

    name: str
    headers: tuple[tuple[str, str], ...]
    status: int
    part: Part | None = None
    file: str = "small"
    method: str = "GET"
    disposition: Literal["inline", "attachment"] | None = None


def _range(value: str, status: int, part: Part | None = None, file: str = "small") -> Case:
    return Case(f"{file} {value[:40]}", (("Range", value),), status, part, file)


def _with(name: str, status: int, part: Part | None = None, /, **headers: str) -> Case:
    """`if_match="…"` is the header If-Match."""
    return Case(name, tuple((key.replace("_", "-").title(), value) for key, value in headers.items()), status, part)


RANGES: Final = (
    _range("bytes=0-0", 206, (0, 1)),
    _range("bytes=0-499", 206, (0, 500)),
    _range("bytes=500-", 206, (500, None)),
    _range("bytes=-1", 206, (-1, None)),
    _range("bytes=-500", 206, (-500, None)),
    _range("bytes={last}-{last}", 206, (-1, None)),
    _range("bytes=0-{last}", 206, (0, None)),  # all of it is still a part (§15.3.7)
    _range("bytes=0-", 206, (0, None)),
    _range("bytes=-{size}", 206, (0, None)),
    _range("bytes=-{beyond}", 206, (0, None)),
    _range("bytes=999-{beyond}", 206, (999, None)),
    _range("bytes=0-99999999999999999999999999999999", 206, (0, None)),
    _range("bytes=-99999999999999999999999999999999", 206, (0, None)),
    _range("bytes=-" + "9" * 5000, 206, (0, None)),
    _range("bytes=" + "0" * 5000 + "1-2", 206, (1, 3)),
    _range("BYTES=1-2", 206, (1, 3)),
    _range("bytes=1-2,", 206, (1, 3)),
    _range("bytes= ,\t1-2 , ,", 206, (1, 3)),
    _range("bytes={size}-", 416),
    _range("bytes={size}-{beyond}", 416),
    _range("bytes=99999999999999999999999999999999-", 416),
    _range("bytes=18446744073709551616-18446744073709551617", 416),
    _range("bytes=-0", 416),
    # Several: a server may always give the whole (§14.2).
    _range("bytes=0-1,4-5", 200),
    _range("bytes=0-0,-1", 200),
    _range("bytes={size}-,0-1", 200),
    _range("bytes=" + ",".join(f"{n}-{n}" for n in range(200)), 200),
    # What is no range is none.
    _range("", 200),
    _range("bytes", 200),
    _range("bytes=", 200),
    _range("bytes=,", 200),
    _range("bytes=-", 200),
    _range("bytes=5-3", 200),
    _range("bytes=a-b", 200),
    _range("bytes=0x1-0x2", 200),
    _range("bytes=1.0-2", 200),
    _range("bytes=--1", 200),
    _range("bytes=+1-2", 200),
    _range("bytes=1 - 2", 200),
    _range("bytes=1-2-3", 200),
    _range("bytes:1-2", 200),
    _range("0-4", 200),
    _range("lines=1-2", 200),
    _range("bytes=1-2;q=1", 200),
    _range("bytes=²-³", 200),  # digits to some, and no ASCII
    Case("two Range headers are two ranges", (("Range", "bytes=0-1"), ("Range", "4-5")), 200),
    # Lengths that are borders.
    _range("bytes=0-", 416, file="empty"),
    _range("bytes=0-0", 416, file="empty"),
    _range("bytes=-0", 416, file="empty"),
    _range("bytes=-1", 200, file="empty"),  # the last bytes of nothing: 206 could not say which (§14.4)
    _range("bytes=0-0", 206, (0, 1), "one"),
    _range("bytes=0-", 206, (0, 1), "one"),
    _range("bytes=-1", 206, (0, 1), "one"),
    _range("bytes=-2", 206, (0, 1), "one"),
    _range("bytes=1-", 416, file="one"),
    _range("bytes=1048575-1048576", 206, (1048575, 1048577), "large"),
    _range("bytes=1048576-2097151", 206, (1048576, 2097152), "large"),
    _range("bytes=7-2097160", 206, (7, 2097161), "large"),
    _range("bytes=-4711", 206, (-4711, None), "large"),
    _range("bytes=1-", 206, (1, None), "large"),
    _range("bytes=0-0,-1", 200, file="large"),
)

IF_RANGE: Final = (
    _with("If-Range: the etag", 206, (2, 4), range="bytes=2-3", if_range="{etag}"),
    _with("If-Range: another etag", 200, range="bytes=2-3", if_range='"other"'),
    _with("If-Range: a weak etag never", 200, range="bytes=2-3", if_range="W/{etag}"),
    _with("If-Range: a list is no validator", 200, range="bytes=2-3", if_range='"other", {etag}'),
    _with("If-Range: a star is no validator", 200, range="bytes=2-3", if_range="*"),
    _with("If-Range: the date", 206, (2, 4), range="bytes=2-3", if_range="{modified}"),
    _with("If-Range: an earlier date", 200, range="bytes=2-3", if_range="{before}"),
    _with("If-Range: a later date is not the same", 200, range="bytes=2-3", if_range="{after}"),
    _with("If-Range: the date in RFC 850", 206, (2, 4), range="bytes=2-3", if_range="{rfc850}"),
    _with("If-Range: the date of asctime", 206, (2, 4), range="bytes=2-3", if_range="{asctime}"),
    _with("If-Range: nonsense", 200, range="bytes=2-3", if_range="nonsense"),
    _with("If-Range: empty", 200, range="bytes=2-3", if_range=""),
    _with("If-Range: without Range", 200, if_range="{etag}"),
    _with("If-Range: holds, and the range is outside", 416, range="bytes={size}-", if_range="{etag}"),
    _with("If-Range: fails, and the range is outside", 200, range="bytes={size}-", if_range='"other"'),
)

CONDITIONS: Final = (
    _with("If-None-Match: the etag", 304, if_none_match="{etag}"),
    _with("If-None-Match: weak is good enough", 304, if_none_match="W/{etag}"),
    _with("If-None-Match: in a list", 304, if_none_match='"x", W/"y",{etag}'),
    _with("If-None-Match: in a list with holes", 304, if_none_match=',, "x" ,,\t{etag},'),
    _with("If-None-Match: with a comma in a tag", 304, if_none_match='"a,b", {etag}'),
    Case("If-None-Match: in two headers", (("If-None-Match", '"x"'), ("If-None-Match", "{etag}")), 304),
    _with("If-None-Match: not in a list", 200, if_none_match='"x", "y"'),
    _with("If-None-Match: star", 304, if_none_match="*"),
    _with("If-None-Match: without quotes", 200, if_none_match="x"),
    _with("If-None-Match: broken after the etag", 200, if_none_match='{etag}, "x'),
    _with("If-None-Match: empty", 200, if_none_match=""),
    _with("If-None-Match: not ASCII", 200, if_none_match='"é"'),
    _with("If-None-Match: before Range", 304, if_none_match="{etag}", range="bytes=0-1"),
    _with("If-None-Match: before a range outside", 304, if_none_match="{etag}", range="bytes={size}-"),
    _with("If-None-Match: another, with Range", 206, (0, 2), if_none_match='"x"', range="bytes=0-1"),
    _with("If-Modified-Since: the date", 304, if_modified_since="{modified}"),
    _with("If-Modified-Since: later", 304, if_modified_since="{after}"),
    _with("If-Modified-Since: before", 200, if_modified_since="{before}"),
    _with("If-Modified-Since: RFC 850", 304, if_modified_since="{rfc850}"),
    _with("If-Modified-Since: asctime", 304, if_modified_since="{asctime}"),
    _with("If-Modified-Since: no HTTP date", 200, if_modified_since="{elsewhere}"),
    _with("If-Modified-Since: nonsense", 200, if_modified_since="yesterday"),
    _with("If-Modified-Since: empty", 200, if_modified_since=""),
    _with("If-Modified-Since: before Range", 304, if_modified_since="{modified}", range="bytes=0-1"),
    _with("If-None-Match outranks If-Modified-Since", 200, if_none_match='"x"', if_modified_since="{after}"),
    _with("and says 304 where the date would not", 304, if_none_match="{etag}", if_modified_since="{before}"),
    _with("If-Match: the etag", 200, if_match="{etag}"),
    _with("If-Match: in a list", 200, if_match='"x", {etag}'),
    Case("If-Match: in two headers", (("If-Match", '"x"'), ("If-Match", "{etag}")), 200),
    _with("If-Match: star", 200, if_match="*"),
    _with("If-Match: another", 412, if_match='"x"'),
    _with("If-Match: weak is not enough", 412, if_match="W/{etag}"),
    _with("If-Match: empty", 412, if_match=""),
    _with("If-Match: with Range", 206, (0, 2), if_match="{etag}", range="bytes=0-1"),
    _with("If-Match: fails before a range outside", 412, if_match='"x"', range="bytes={size}-"),
    _with("If-Match: fails before If-None-Match", 412, if_match='"x"', if_none_match="{etag}"),
    _with("If-Match: holds, then If-None-Match", 304, if_match="{etag}", if_none_match="{etag}"),
    _with("If-Unmodified-Since: the date", 200, if_unmodified_since="{modified}"),
    _with("If-Unmodified-Since: later", 200, if_unmodified_since="{after}"),
    _with("If-Unmodified-Since: before", 412, if_unmodified_since="{before}"),
    _with("If-Unmodified-Since: nonsense", 200, if_unmodified_since="yesterday"),
    _with("If-Match outranks If-Unmodified-Since", 200, if_match="{etag}", if_unmodified_since="{before}"),
    _with("If-Unmodified-Since: fails before 304", 412, if_unmodified_since="{before}", if_none_match="{etag}"),
)


def _head(name: str, status: int, /, **headers: str) -> Case:
    case = _with(f"HEAD {name}", status, None, **headers)
    return Case(case.name, case.headers, status, method="HEAD")


# Range is for GET alone (§14.2).
HEADS: Final = (
    _head("plain", 200),
    _head("Range", 200, range="bytes=0-1"),
    _head("Range outside", 200, range="bytes={size}-"),
    _head("If-Range", 200, range="bytes=0-1", if_range="{etag}"),
    _head("If-None-Match", 304, if_none_match="{etag}"),
    _head("If-None-Match star", 304, if_none_match="*"),
    _head("If-Modified-Since", 304, if_modified_since="{modified}"),
    _head("If-Match fails", 412, if_match='"x"'),
    _head("If-Unmodified-Since fails", 412, if_unmodified_since="{before}"),
    Case("HEAD of an empty file", (), 200, method="HEAD", file="empty"),
    Case("HEAD of a large file", (), 200, method="HEAD", file="large"),
)

# A stored file goes out as it is stored: no coding, so that lengths and ranges mean one thing.
NEGOTIATION: Final = (
    _with("Accept-Encoding", 200, accept_encoding="gzip, br, zstd"),
    _with("Accept-Encoding without identity", 200, accept_encoding="gzip, identity;q=0"),
    _with("Accept-Encoding with Range", 206, (0, 2), accept_encoding="gzip", range="bytes=0-1"),
    _with("Accept", 200, accept="image/*"),
    _with("Want-Repr-Digest", 200, want_repr_digest="sha-512=10, sha-256=1"),
    _with("Want-Repr-Digest of a part", 206, (0, 2), want_repr_digest="sha-256=1", range="bytes=0-1"),
    _with("Want-Content-Digest of a part", 206, (0, 2), want_content_digest="sha-256=1", range="bytes=0-1"),
)

_WANTED: Final[tuple[Literal["inline", "attachment"] | None, ...]] = (None, "inline", "attachment")
NAMES: Final = tuple(
    Case(f"{file} {wanted or 'as it is'}", (), 200, file=file, disposition=wanted)
    for file in ("empty", "one", "png", "pdf", "text", "html", "svg", "quoted", "long", "emoji")
    for wanted in _WANTED
)

CASES: Final = (*RANGES, *IF_RANGE, *CONDITIONS, *HEADS, *NEGOTIATION, *NAMES)

"""The answer to a request for a file's bytes: status, headers and the part of the file that goes out.

Whoever answers (a storage element, query in front of it, a rendition store) answers through `answer`, so that a client
cannot tell them apart.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from artstore_core.files import File

from artstore_transfer.conditions import Conditions, Verdict, http_date, judge, range_applies
from artstore_transfer.digests import format_digest
from artstore_transfer.disposition import Disposition, content_disposition, media_type
from artstore_transfer.ranges import ByteRange, parse_range

# Every read is authorised anew, so a cache may keep the bytes but must ask before it shows them.
_CACHE_CONTROL: Final = "private, no-cache"
# A sandboxed PDF is not shown by any browser's viewer; its scripts have no access to the page anyway (C6).
_SANDBOX: Final = "default-src 'none'; sandbox"
_FIELD_VALUE: Final = re.compile(r"[\x21-\x7e]([\x20-\x7e]*[\x21-\x7e])?")


@dataclass(frozen=True, slots=True)
class Representation:
    """A file as HTTP sees it. `size` in bytes, `checksum` SHA-256 in hex."""

    size: int
    checksum: str
    content_type: str
    last_modified: datetime
    filename: str

    @classmethod
    def of(cls, file: File) -> Representation:
        return cls(file.size, file.checksum, file.content_type, file.uploaded_at, file.original_filename)

    @property
    def etag(self) -> str:
        return f'"{self.checksum}"'


@dataclass(frozen=True, slots=True)
class Answer:
    """`body` is what goes out; None when nothing does (304, HEAD)."""

    status: int
    headers: dict[str, str]
    body: ByteRange | None


def answer(
    shown: Representation,
    method: str,
    conditions: Conditions,
    disposition: Disposition | None = None,
) -> Answer:
    """What to answer to GET or HEAD: 200, 206 or 304.

    Raises PreconditionFailed (412) and InvalidRange (416, with Content-Range).
    """
    etag, modified = shown.etag, shown.last_modified
    if judge(method, conditions, etag=etag, last_modified=modified) is Verdict.NOT_MODIFIED:
        return Answer(304, _validators(shown), None)
    part = None
    if range_applies(method, conditions, etag=etag, last_modified=modified):
        part = parse_range(conditions.range, shown.size)
    headers = file_headers(shown, part, disposition)
    if method == "HEAD":
        return Answer(200, headers, None)
    if part is None:
        # Of what goes out: the whole file here. Of a part it is not known, and of HEAD's empty content it would be
        # another one (RFC 9530 §2, B.2).
        headers["Content-Digest"] = headers["Repr-Digest"]
    return Answer(206 if part else 200, headers, part or ByteRange(0, shown.size))


def file_headers(
    shown: Representation, part: ByteRange | None = None, disposition: Disposition | None = None
) -> dict[str, str]:
    """The headers of a 200, or of a 206 for `part`. Repr-Digest is of the whole file in both (RFC 9530 §3)."""
    headers = _validators(shown) | {
        "Content-Type": _field(shown.content_type),
        "Content-Length": str(part.length if part else shown.size),
        "Content-Disposition": content_disposition(shown.filename, shown.content_type, disposition),
        "Repr-Digest": format_digest(shown.checksum),
    }
    if part is not None:
        headers["Content-Range"] = part.content_range(shown.size)
    return headers


def _field(content_type: str) -> str:
    """The type, unless it holds what a header cannot (RFC 9110 §5.5): a record must not be able to add headers."""
    return content_type if _FIELD_VALUE.fullmatch(content_type) else "application/octet-stream"


def _validators(shown: Representation) -> dict[str, str]:
    """What a 304 carries too (RFC 9110 §15.4.5); the security headers, for a cache updates its copy from a 304."""
    headers = {
        "ETag": shown.etag,
        "Last-Modified": http_date(shown.last_modified),
        "Accept-Ranges": "bytes",
        "Cache-Control": _CACHE_CONTROL,
        "X-Content-Type-Options": "nosniff",
    }
    if media_type(shown.content_type) != "application/pdf":
        headers["Content-Security-Policy"] = _SANDBOX
    return headers

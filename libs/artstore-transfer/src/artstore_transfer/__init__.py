"""HTTP's rules for bytes, with no input or output: what to answer to a request for a file, and how to join pieces."""

from artstore_transfer.answers import Answer, Representation, answer
from artstore_transfer.conditions import (
    CONDITION_FAILED,
    Conditions,
    Verdict,
    http_date,
    judge,
    matching,
    parse_http_date,
    range_applies,
)
from artstore_transfer.digests import format_digest, sha256_of
from artstore_transfer.disposition import Disposition, content_disposition, may_show_inline
from artstore_transfer.pieces import PIECE, pieces
from artstore_transfer.ranges import OUTSIDE, ByteRange, parse_range

__all__ = [
    "CONDITION_FAILED",
    "OUTSIDE",
    "PIECE",
    "Answer",
    "ByteRange",
    "Conditions",
    "Disposition",
    "Representation",
    "Verdict",
    "answer",
    "content_disposition",
    "format_digest",
    "http_date",
    "judge",
    "matching",
    "may_show_inline",
    "parse_http_date",
    "parse_range",
    "pieces",
    "range_applies",
    "sha256_of",
]

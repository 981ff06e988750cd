"""Conditional requests (RFC 9110 §13) on a representation that never changes."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import UTC, datetime
from email.utils import format_datetime, parsedate_to_datetime
from enum import Enum, auto
from typing import Final

from artstore_core.errors import PreconditionFailed

_ENTITY_TAG: Final = re.compile(r'(W/)?("[\x21\x23-\x7e\x80-\xff]*")')
_BETWEEN_TAGS: Final = re.compile(r"[ \t,]*")

CONDITION_FAILED: Final = "The file is not the one that the condition names"
"""The words of every 412 for bytes, whoever says it."""


class Verdict(Enum):
    PROCEED = auto()
    NOT_MODIFIED = auto()


@dataclass(frozen=True, slots=True)
class Conditions:
    """The request's conditional headers and its Range, each as it came; None where there was none."""

    if_match: str | None = None
    if_none_match: str | None = None
    if_modified_since: str | None = None
    if_unmodified_since: str | None = None
    if_range: str | None = None
    range: str | None = None

    @classmethod
    def of(cls, raw: Iterable[tuple[bytes, bytes]]) -> Conditions:
        """From raw headers (an ASGI scope's, httpx's `headers.raw`); a repeated header is one list (RFC 9110 §5.3)."""
        found: dict[str, str] = {}
        for name, value in raw:
            key = name.decode("latin-1").lower().replace("-", "_")
            if key in cls.__slots__:
                text = value.decode("latin-1")
                found[key] = f"{found[key]}, {text}" if key in found else text
        return cls(**found)


def judge(method: str, conditions: Conditions, *, etag: str, last_modified: datetime) -> Verdict:
    """Whether to answer in full, in the order of RFC 9110 §13.2.2. `etag` is strong and comes with its quotes.

    Raises PreconditionFailed (412). Entity tags outrank dates; a date that is none is ignored.
    """
    modified = last_modified.replace(microsecond=0)
    if conditions.if_match is not None:
        if not _matches(conditions.if_match, etag, weak=False):
            raise PreconditionFailed(CONDITION_FAILED)
    elif (since := parse_http_date(conditions.if_unmodified_since)) is not None and modified > since:
        raise PreconditionFailed(CONDITION_FAILED)
    reads = method in ("GET", "HEAD")
    if conditions.if_none_match is not None:
        if _matches(conditions.if_none_match, etag, weak=True):
            if reads:
                return Verdict.NOT_MODIFIED
            raise PreconditionFailed(CONDITION_FAILED)
    elif reads and (since := parse_http_date(conditions.if_modified_since)) is not None and modified <= since:
        return Verdict.NOT_MODIFIED
    return Verdict.PROCEED


def matching(if_match: str | None) -> Callable[[str], bool]:
    """Whether an If-Match header, as it came, lets a strong entity tag pass (RFC 9110 §13.1.1); without one, all do."""
    return lambda etag: if_match is None or _matches(if_match, etag, weak=False)


def range_applies(method: str, conditions: Conditions, *, etag: str, last_modified: datetime) -> bool:
    """Whether Range counts: only with GET (RFC 9110 §14.2), and only if If-Range names this very file (§13.1.5).

    A date in If-Range must equal Last-Modified; here it is a strong validator, for files never change.
    """
    if method != "GET" or conditions.range is None:
        return False
    if conditions.if_range is None:
        return True
    validator = conditions.if_range.strip(" \t")
    if validator.startswith(('"', "W/")):
        return validator == etag
    return parse_http_date(validator) == last_modified.replace(microsecond=0)


def http_date(moment: datetime) -> str:
    """IMF-fixdate (RFC 9110 §5.6.7), in whole seconds."""
    return format_datetime(moment.astimezone(UTC).replace(microsecond=0), usegmt=True)


def parse_http_date(text: str | None) -> datetime | None:
    """An HTTP date in any of its three forms; None for what is none."""
    if not text:
        return None
    try:
        moment = parsedate_to_datetime(text)
    except (ValueError, IndexError, OverflowError, TypeError):
        return None
    # asctime-date has no zone and means UTC; any zone but GMT is no HTTP date.
    if moment.tzinfo is None:
        moment = moment.replace(tzinfo=UTC)
    return moment if moment.utcoffset() == UTC.utcoffset(None) else None


def _matches(header: str, etag: str, *, weak: bool) -> bool:
    """Whether the list names the etag, by weak or by strong comparison (RFC 9110 §8.8.3.2). Bad syntax names nothing."""
    if header.strip(" \t") == "*":
        return True
    at = _skip(header, 0)
    found = False
    while at < len(header):
        tag = _ENTITY_TAG.match(header, at)
        if tag is None:
            return False
        found = found or (tag[2] == etag and (weak or tag[1] is None))
        at = _skip(header, tag.end())
    return found


def _skip(header: str, at: int) -> int:
    between = _BETWEEN_TAGS.match(header, at)
    return between.end() if between else at

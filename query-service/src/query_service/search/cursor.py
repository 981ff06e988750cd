"""Going on after the last row of a page, however deep, at the price of the first page."""

from __future__ import annotations

import base64
import binascii
import hashlib
import json
import math
import struct
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Final
from uuid import UUID

from artstore_core.errors import ValidationFailed

from query_service.search.request import MAX_BIGINT, SearchRequest, SortBy

_FREE: Final = {"limit", "offset", "cursor", "facets", "exact_total"}
"""What may change from page to page without changing the list that is walked."""


@dataclass(frozen=True, slots=True)
class Position:
    """The last row given: what it was sorted by, and its id, which parts rows that are equal there."""

    key: datetime | str | int | float
    file_id: UUID
    loosely: bool = False
    """Whether the list is of what is only like what was asked for."""


def _moment(value: Any) -> datetime:
    moment = datetime.fromisoformat(value)
    if moment.tzinfo is None:
        raise ValueError
    return moment.astimezone(UTC)


def _name(value: Any) -> str:
    if not isinstance(value, str) or "\x00" in value:
        raise ValueError
    value.encode()
    return value


def _size(value: Any) -> int:
    if type(value) is not int or not 0 <= value <= MAX_BIGINT:
        raise ValueError
    return value


def _score(value: Any) -> float:
    if type(value) not in (int, float) or not math.isfinite(value):
        raise ValueError
    # PostgreSQL gives it in four bytes, and would make an error of what does not fit into them.
    if struct.unpack("f", struct.pack("f", value)) != (value,):
        raise ValueError
    return float(value)


_READERS: Final[Mapping[SortBy, Callable[[Any], datetime | str | int | float]]] = {
    SortBy.UPLOADED_AT: _moment,
    SortBy.ORIGINAL_FILENAME: _name,
    SortBy.SIZE: _size,
    SortBy.RELEVANCE: _score,
}


def encode(request: SearchRequest, position: Position) -> str:
    key = position.key.isoformat() if isinstance(position.key, datetime) else position.key
    text = json.dumps(
        [_digest(request), key, position.file_id.hex, position.loosely], ensure_ascii=False, separators=(",", ":")
    )
    return base64.urlsafe_b64encode(text.encode()).rstrip(b"=").decode()


def decode(request: SearchRequest) -> Position | None:
    """Where `request.cursor` left off. Raises ValidationFailed for one that is not of this search."""
    if request.cursor is None:
        return None
    if request.offset:
        raise _refused("goes without offset")
    try:
        padded = request.cursor + "=" * (-len(request.cursor) % 4)
        digest, key, file_id, loosely = json.loads(base64.b64decode(padded, altchars=b"-_", validate=True))
        position = Position(_READERS[request.order](key), UUID(hex=file_id), loosely is True)
    except (ValueError, TypeError, AttributeError, OverflowError, RecursionError, binascii.Error, struct.error):
        raise _refused("is not a cursor of this search") from None
    if digest != _digest(request) or (position.loosely and not request.can_be_loosened):
        raise _refused("belongs to another search")
    return position


def _digest(request: SearchRequest) -> str:
    """Ties a cursor to its search: under another order or filter it would skip rows silently."""
    return hashlib.sha256(request.model_dump_json(exclude=_FREE).encode()).hexdigest()[:16]


def _refused(reason: str) -> ValidationFailed:
    return ValidationFailed("The cursor cannot be used", details={"cursor": reason})

"""Files of the crash tests, by numbers: their ids and their bytes."""

from __future__ import annotations

from random import Random
from uuid import UUID


def id_of(number: int) -> UUID:
    """Ids with shards of their own, but for every fourth."""
    return UUID(int=0x01920000_0000_7000_8000_000000000000 + number % 4 + (number << 16))


def content_of(number: int, size: int) -> bytes:
    """Always the same bytes for the same file."""
    return Random(number * 1_000_003 + size).randbytes(size)

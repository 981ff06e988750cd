"""How large a part is."""

from __future__ import annotations

from typing import Final

MIB: Final = 1024 * 1024
PART_BYTES: Final = 16 * MIB
"""Small enough that one lost on the way costs little, large enough that what each costs beside its bytes does not count."""
MAX_PARTS: Final = 10_000


def part_size_of(size: int) -> int:
    """Of each part of an upload of `size` bytes, but for the last: larger where it would need too many."""
    least = -(-size // MAX_PARTS)
    return max(PART_BYTES, -(-least // MIB) * MIB)


def part_count_of(size: int, part_size: int) -> int:
    return -(-size // part_size)


def part_length_of(size: int, part_size: int, number: int) -> int:
    """Of one part, counted from 1."""
    return min(part_size, size - (number - 1) * part_size)

"""Which bytes of a file go into which upload."""

from __future__ import annotations

from dataclasses import dataclass

from artstore_client.policy import MIB, UploadPolicy

_MOST_PARTS = 250
"""Their URLs stand in one header (`Upload-Concat`), of 14 KiB then; servers begin to refuse at 16."""
_LEAST_PART = 16 * MIB


@dataclass(frozen=True, slots=True)
class Part:
    """`length` bytes from `start` on."""

    number: int
    start: int
    length: int


def part_length(size: int, policy: UploadPolicy, parallel: int) -> int:
    """The bytes of each part but the last: all of them for what goes as one stream.

    Parts are taken in order, so that the file is read from front to back and its hash can follow close behind. Each is
    one or two requests long where the file is not too large for that.
    """
    if parallel == 1 or size < policy.parts_from:
        return size
    smallest = min(_LEAST_PART, policy.chunk_bytes)
    length = min(2 * policy.chunk_bytes, max(smallest, _whole_mib(-(-size // parallel))))
    return max(length, _whole_mib(-(-size // _MOST_PARTS)))


def parts_of(size: int, length: int) -> list[Part]:
    """The file, cut into parts of this length; one part for an empty one."""
    starts = range(0, size, length) if length else range(1)
    return [Part(number, start, min(length, size - start)) for number, start in enumerate(starts)]


def _whole_mib(size: int) -> int:
    return -(-size // MIB) * MIB

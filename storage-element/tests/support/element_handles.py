"""The open files of a simulated disk, by numbers that the operating system would refuse."""

from __future__ import annotations

import errno
import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final

_FIRST: Final = 1 << 20


@dataclass(slots=True)
class Handle:
    number: int
    path: Path
    flags: int
    position: int = 0
    locks: bool = False


class Handles:
    """Not safe for threads: whoever owns them sees to that."""

    def __init__(self) -> None:
        self._open: dict[int, Handle] = {}
        self._last = _FIRST

    def __iter__(self) -> Iterator[Handle]:
        return iter(self._open.values())

    def give(self, opened: Handle) -> int:
        self._last += 1
        self._open[self._last] = opened
        return self._last

    def of(self, handle: int) -> Handle:
        """Raises OSError."""
        try:
            return self._open[handle]
        except KeyError:
            raise OSError(errno.EBADF, os.strerror(errno.EBADF)) from None

    def take_back(self, handle: int) -> None:
        del self._open[handle]

"""Room that is kept for one thing: that a start can put what is promised into its place, on a disk that is full.

Who fills a disk from outside, while the element is stopped or was killed with changes in its log, would keep it from ever
starting: what the log promises needs room beside the log. So a file of zeroes lies there, and a start that finds no room
removes it and begins once more. It is made again when there is room. Nothing depends on it: a data root without one is
whole, and waits for room where it finds none.
"""

from __future__ import annotations

import contextlib
from typing import Final, Protocol, runtime_checkable

from storage_element.disk.filesystem import CREATE, FileSystem
from storage_element.disk.layout import Layout

BALLAST_BYTES: Final = 16 * 1024 * 1024
_PIECE: Final = 1024 * 1024


@runtime_checkable
class Allocates(Protocol):
    """What a filesystem may be able to do beside the rest."""

    def allocate(self, handle: int, size: int) -> None:
        """Gives a new file its room and its length without writing it (fallocate(2)). Raises OSError."""
        ...


class Ballast:
    """The file `ballast` of a data root, of `size` bytes; with 0 there is to be none."""

    def __init__(self, layout: Layout, filesystem: FileSystem, size: int = BALLAST_BYTES) -> None:
        self._path, self._root, self._filesystem, self._size = layout.ballast, layout.root, filesystem, size
        self._bytes = 0

    @property
    def bytes(self) -> int:
        """What it took when `keep` looked last."""
        return self._bytes

    def keep(self) -> None:
        """Makes it where it is not there, or not whole, unless that would take more than half of the room that is left.
        Never raises: the next time may do better."""
        with contextlib.suppress(OSError):
            there = self._length()
            if there != self._size:
                self.release()
                there = 0
                if self._size and self._filesystem.usage(self._root).free >= 2 * self._size:
                    self._make()
                    there = self._size
            self._bytes = there

    def release(self) -> bool:
        """Gives its room back; whether there was any. Raises OSError."""
        try:
            self._filesystem.unlink(self._path)
        except FileNotFoundError:
            return False
        self._bytes = 0
        return True

    def _length(self) -> int:
        try:
            return self._filesystem.length(self._path)
        except FileNotFoundError:
            return 0

    def _make(self) -> None:
        handle = self._filesystem.open(self._path, CREATE)
        try:
            self._fill(handle)
        except BaseException:
            with contextlib.suppress(OSError):
                self._filesystem.unlink(self._path)
            raise
        finally:
            self._filesystem.close(handle)

    def _fill(self, handle: int) -> None:
        if isinstance(self._filesystem, Allocates):
            self._filesystem.allocate(handle, self._size)
            return
        left = self._size
        while left:
            left -= self._filesystem.write(handle, bytes(min(_PIECE, left)))

"""Room: what is stored, what is promised to uploads under way, and what may still be promised (requirement S11)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from artstore_core.errors import StorageFull

from storage_element.store.ports import Usage

HEADROOM_BYTES: Final = 1024 * 1024
"""Left on the disk for records and directories, so that an upload that was let in can also be committed."""


@dataclass(frozen=True, slots=True)
class Room:
    """A filesystem's bytes, less what is promised to nobody's hold and will be taken all the same."""

    total: int
    free: int

    @classmethod
    def of(cls, disk: Usage, but: int) -> Room:
        return cls(disk.total, max(disk.free - but, 0))


class _Sums:
    """Of all holds: what was promised, what of it lies on the disk, and what the disk still has to take."""

    __slots__ = ("outstanding", "size", "written")

    def __init__(self) -> None:
        self.size = self.written = self.outstanding = 0

    def add(self, size: int, written: int, sign: int = 1) -> None:
        self.size += sign * size
        self.written += sign * written
        self.outstanding += sign * (size - min(written, size))


class Hold:
    """Room promised to one upload. `size` grows as the upload turns out to be longer than anybody said."""

    __slots__ = ("_size", "_sums", "_written")

    def __init__(self, sums: _Sums, size: int = 0, written: int = 0) -> None:
        # The sums follow each change: to add up all uploads there are, for each upload that comes, takes longer and
        # longer with them.
        self._sums: _Sums | None = sums
        self._size, self._written = max(size, written), written
        sums.add(self._size, written)

    @property
    def size(self) -> int:
        return self._size

    @size.setter
    def size(self, size: int) -> None:
        self._set(size, self._written)

    @property
    def written(self) -> int:
        return self._written

    @written.setter
    def written(self, written: int) -> None:
        self._set(self._size, written)

    def release(self) -> None:
        """It promises nothing any more; what it is told from now on does not count."""
        if self._sums is not None:
            self._sums.add(self._size, self._written, -1)
            self._sums = None

    def _set(self, size: int, written: int) -> None:
        if self._sums is not None:
            self._sums.add(self._size, self._written, -1)
            self._sums.add(size, written)
        self._size, self._written = size, written


class Capacity:
    """All in bytes. `limit` is what the element may fill; None leaves it to the disk."""

    def __init__(self, limit: int | None) -> None:
        self._limit = limit
        self._sums = _Sums()

    def hold(self, size: int, used: int, disk: Usage) -> Hold:
        """Raises StorageFull."""
        hold = Hold(self._sums)
        self.grow(hold, size, used, disk)  # nothing is promised where there is no room
        return hold

    def hold_existing(self, size: int, written: int) -> Hold:
        """For an upload from before a restart: it was let in then."""
        return Hold(self._sums, size, written)

    def grow(self, hold: Hold, size: int, used: int, disk: Usage) -> None:
        """Raises StorageFull, and leaves the hold as it was."""
        more = size - hold.size
        if more > 0 and more > self._unpromised(used, disk):
            raise StorageFull("The storage element has no room for this.")
        hold.size = max(hold.size, size)

    def release(self, hold: Hold) -> None:
        hold.release()

    def figures(self, used: int, disk: Usage) -> tuple[int, int, int]:
        """Capacity, used and available. Bytes of unfinished uploads count as used: they lie on the disk."""
        used_now = used + self.staged_bytes
        capacity = used_now + disk.free if self._limit is None else self._limit
        return capacity, used_now, max(self._unpromised(used, disk), 0)

    def _unpromised(self, used: int, disk: Usage) -> int:
        on_disk = disk.free - self._sums.outstanding - HEADROOM_BYTES
        if self._limit is None:
            return on_disk
        return min(on_disk, self._limit - used - self._sums.size)

    @property
    def staged_bytes(self) -> int:
        """Of uploads that are not finished."""
        return self._sums.written

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


class Hold:
    """Room promised to one upload. `size` grows as the upload turns out to be longer than anybody said."""

    __slots__ = ("size", "written")

    def __init__(self, size: int, written: int = 0) -> None:
        self.size, self.written = max(size, written), written


class Capacity:
    """All in bytes. `limit` is what the element may fill; None leaves it to the disk."""

    def __init__(self, limit: int | None) -> None:
        self._limit = limit
        self._holds: set[Hold] = set()

    def hold(self, size: int, used: int, disk: Usage) -> Hold:
        """Raises StorageFull."""
        hold = Hold(0)
        self.grow(hold, size, used, disk)
        self._holds.add(hold)
        return hold

    def hold_existing(self, size: int, written: int) -> Hold:
        """For an upload from before a restart: it was let in then."""
        hold = Hold(size, written)
        self._holds.add(hold)
        return hold

    def grow(self, hold: Hold, size: int, used: int, disk: Usage) -> None:
        """Raises StorageFull, and leaves the hold as it was."""
        more = size - hold.size
        if more > 0 and more > self._unpromised(used, disk):
            raise StorageFull("The storage element has no room for this.")
        hold.size = max(hold.size, size)

    def release(self, hold: Hold) -> None:
        self._holds.discard(hold)

    def figures(self, used: int, disk: Usage) -> tuple[int, int, int]:
        """Capacity, used and available. Bytes of unfinished uploads count as used: they lie on the disk."""
        used_now = used + self.staged_bytes
        capacity = used_now + disk.free if self._limit is None else self._limit
        return capacity, used_now, max(self._unpromised(used, disk), 0)

    def _unpromised(self, used: int, disk: Usage) -> int:
        outstanding = sum(hold.size - min(hold.written, hold.size) for hold in self._holds)
        on_disk = disk.free - outstanding - HEADROOM_BYTES
        if self._limit is None:
            return on_disk
        return min(on_disk, self._limit - used - sum(hold.size for hold in self._holds))

    @property
    def staged_bytes(self) -> int:
        """Of uploads that are not finished."""
        return sum(hold.written for hold in self._holds)

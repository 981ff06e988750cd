"""How a power cut chooses among what was not synced, and what it does to the bytes of one file (see element_volume)."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from random import Random
from typing import Final, TypeVar

T = TypeVar("T")
SECTOR: Final = 512
_OLD_BYTES: Final = b"\xa5"
_MOST_TEARS: Final = 6


class Fate:
    """Shares, between 0 and 1, of the unsynced changes that survive. Those between are drawn from `seed`.

    `hollow` gives files the length that they had last, whatever became of their bytes: what delayed writing leaves.
    """

    def __init__(self, names: float, data: float, *, seed: int = 0, hollow: bool = False) -> None:
        self.names, self.data, self.hollow, self.seed = names, data, hollow, seed
        self.random = Random(seed)

    @classmethod
    def drawn(cls, seed: int) -> Fate:
        """Shares that are drawn too: a cut that keeps nearly everything finds other faults than one that keeps little."""
        random = Random(seed)
        shares = (0.1, 0.5, 0.9)
        return cls(random.choice((*shares, 1)), random.choice((0, *shares)), seed=random.getrandbits(32))

    def at(self, position: int) -> Fate:
        """The same shares, drawn anew for this place in a trace."""
        return Fate(self.names, self.data, seed=self.seed ^ position * 0x9E3779B1, hollow=self.hollow)

    def __repr__(self) -> str:
        return f"Fate(names={self.names}, data={self.data}, seed={self.seed}, hollow={self.hollow})"

    def kept(self, changes: Sequence[T], *, in_order: bool) -> Sequence[T]:
        """Those that survive: any of them, or, `in_order`, the first few."""
        if self.names >= 1:
            return changes
        if self.names <= 0:
            return ()
        if in_order:
            return changes[: self.random.randint(0, len(changes))]
        return [change for change in changes if self.random.random() < self.names]

    def lost(self, sectors: int) -> Iterator[tuple[int, int]]:
        """Runs [from, to) of a write's `sectors` that did not reach the disk."""
        draw = self.random.random
        if draw() >= 0.6:
            if draw() >= self.data:
                yield 0, sectors
            return
        cuts = sorted(self.random.randint(0, sectors) for _ in range(self.random.randint(1, _MOST_TEARS)))
        for start, end in zip([0, *cuts], [*cuts, sectors], strict=True):
            if start < end and draw() >= self.data:
                yield start, end


class File:
    """The bytes of one file: as they are seen, as they are sure, and what was done between."""

    __slots__ = ("_durable", "_pending", "content", "modified")

    def __init__(self, content: bytes = b"", modified: float = 0.0) -> None:
        self.content: bytes | bytearray = content
        self.modified = modified
        self._durable = content
        self._pending: list[tuple[int, bytes] | int] = []
        """Writes with their offsets, and sizes that the file was cut or stretched to."""

    def frozen(self) -> bytes:
        """The bytes as they are seen. Copied once: copies of the file share them."""
        if isinstance(self.content, bytearray):
            self.content = bytes(self.content)
        return self.content

    def copy(self) -> File:
        made = File(self.frozen(), self.modified)
        made._durable, made._pending = self._durable, list(self._pending)
        return made

    def write(self, offset: int, data: bytes, at: float) -> None:
        _put(self._own(), offset, data)
        self._pending.append((offset, data))
        self.modified = at

    def resize(self, size: int, at: float) -> None:
        _resize(self._own(), size)
        self._pending.append(size)
        self.modified = at

    def flush(self) -> None:
        if self._pending:
            self._durable = self.frozen()
            self._pending.clear()

    def after_power_cut(self, fate: Fate, *, old_bytes: bool) -> File:
        if not self._pending:
            return File(self._durable, self.modified)
        if fate.data >= 1:
            return File(self.frozen(), self.modified)
        content = self._durable if fate.data <= 0 else self._torn(fate, old_bytes)
        if fate.hollow:
            content = content[: len(self.content)].ljust(len(self.content), b"\0")
        return File(content, self.modified)

    def _own(self) -> bytearray:
        if isinstance(self.content, bytes):
            self.content = bytearray(self.content)
        return self.content

    def _torn(self, fate: Fate, old_bytes: bool) -> bytes:
        """Each sector as some prefix of the changes to it left it, and a length that the file had."""
        lengths = [len(self._durable)]
        for done in self._pending:
            lengths.append(done if isinstance(done, int) else max(lengths[-1], done[0] + len(done[1])))
        survived = fate.random.randrange(len(lengths))
        filler = _OLD_BYTES if old_bytes and fate.random.random() < 0.25 else b"\0"
        content = bytearray(self._durable).ljust(max(lengths), filler)
        stale = bytearray(-(-len(content) // SECTOR))  # 1 for a sector that no later change reaches either
        for place, done in enumerate(self._pending):
            if isinstance(done, tuple):
                _put_torn(content, stale, *done, fate)
            elif place < survived:
                _put_torn(content, stale, done, bytes(len(content) - done), fate)
        return bytes(content[: _length(fate, lengths, survived)])


def _put_torn(content: bytearray, stale: bytearray, offset: int, data: bytes, fate: Fate) -> None:
    first, end = offset // SECTOR, -(-(offset + len(data)) // SECTOR)
    for start, stop in fate.lost(end - first):
        stale[first + start : first + stop] = b"\1" * (stop - start)
    for start, stop in _runs(stale, first, end):
        low, high = max(start * SECTOR, offset), min(stop * SECTOR, offset + len(data))
        content[low:high] = data[low - offset : high - offset]


def _length(fate: Fate, lengths: list[int], survived: int) -> int:
    if survived == 0 or fate.random.random() < 0.7:
        return lengths[survived]
    low, high = sorted(lengths[survived - 1 : survived + 1])
    return fate.random.randint(low, high)


def _runs(stale: bytearray, first: int, end: int) -> Iterator[tuple[int, int]]:
    """Runs of sectors between `first` and `end` that are not stale."""
    while first < end:
        start = stale.find(b"\0", first, end)
        if start < 0:
            return
        stop = stale.find(b"\1", start, end)
        first = end if stop < 0 else stop
        yield start, first


def _put(content: bytearray, offset: int, data: bytes) -> None:
    if offset > len(content):
        content.extend(bytes(offset - len(content)))
    content[offset : offset + len(data)] = data


def _resize(content: bytearray, size: int) -> None:
    if size < len(content):
        del content[size:]
    else:
        content.extend(bytes(size - len(content)))


def extremes() -> list[Fate]:
    """Nothing unsynced survives; everything; the names alone, twice; the bytes alone."""
    return [Fate(0, 0), Fate(1, 1), Fate(1, 0), Fate(1, 0, hollow=True), Fate(0, 1)]


def fates(drawn: int, seed: int = 0) -> list[Fate]:
    """The extremes, and so many in between."""
    return extremes() + [Fate.drawn(seed * 1_000_003 + number) for number in range(drawn)]

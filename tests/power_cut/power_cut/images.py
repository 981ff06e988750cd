"""What a disk holds: now, and after its power was cut.

A disk with a volatile cache promises one thing: what was written before a flush is there once the flush is answered. Of
what came after, any part may be there and any may be missing, in whatever order it was written, and a write may be there
in part: in whole sectors of 512 bytes, or of 4 KiB, by the disk.

One thing is never torn: the first 4 KiB. ext4's superblock lies there, two sectors of 512 bytes under one checksum, and
ext4 takes for granted that a disk writes it whole: torn, it could not even be mounted, with or without us on it.
"""

from __future__ import annotations

import os
from bisect import bisect_right
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from random import Random
from typing import Final, Protocol

from power_cut.disklog import DiskLog, Entry

Pieces = Iterable[tuple[int, bytes]]
"""Offsets on the disk, and the bytes that stand there. A later one wins."""

_PAGE: Final = 4096
SECTORS: Final = (512, 4096)
_TORN: Final = 0.25
"""The share of the writes in a tail of which only some sectors are there."""
_SUPERBLOCK_ENDS: Final = 4096


class Image(Protocol):
    """Bytes of a disk. Offsets and lengths stay within `size`."""

    @property
    def size(self) -> int: ...
    def read(self, offset: int, length: int) -> bytes: ...
    def write(self, offset: int, data: bytes) -> None: ...


class FileImage:
    """A sparse file."""

    def __init__(self, path: Path) -> None:
        self._handle = os.open(path, os.O_RDWR | os.O_CLOEXEC)
        self.size = os.fstat(self._handle).st_size

    def read(self, offset: int, length: int) -> bytes:
        return os.pread(self._handle, length, offset)

    def write(self, offset: int, data: bytes) -> None:
        if os.pwrite(self._handle, data, offset) != len(data):
            raise OSError("a short write")

    def close(self) -> None:
        os.close(self._handle)


class Overlay:
    """Another image with changes of its own, kept in memory: the other one is only read."""

    def __init__(self, below: Image, changes: Pieces = ()) -> None:
        self._below, self.size = below, below.size
        self._pages: dict[int, bytes] = {}
        for offset, data in changes:
            self.write(offset, data)

    def read(self, offset: int, length: int) -> bytes:
        below = self._below.read(offset, length)
        numbers = range(offset // _PAGE, (offset + length - 1) // _PAGE + 1)
        changed = [number for number in numbers if number in self._pages]
        if not changed:
            return below
        found = bytearray(below)
        for number in changed:
            start = number * _PAGE - offset
            begin, end = max(start, 0), min(start + _PAGE, length)
            found[begin:end] = self._pages[number][begin - start : end - start]
        return bytes(found)

    def write(self, offset: int, data: bytes) -> None:
        done = 0
        while done < len(data):
            number, within = divmod(offset + done, _PAGE)
            piece = data[done : done + _PAGE - within]
            done += len(piece)
            if len(piece) < _PAGE:
                page = self._pages.get(number) or self._below.read(number * _PAGE, _PAGE)
                piece = page[:within] + piece + page[within + len(piece) :]
            self._pages[number] = piece


@dataclass(frozen=True, slots=True)
class Tail:
    """Which of the writes that no flush covers are there: each with the chance `kept`, torn in sectors of `sector`."""

    kept: float
    sector: int

    @classmethod
    def choose(cls, chance: Random) -> Tail:
        """Mostly a half of them; now and then none, which loses the most, or all, which is a kill of everything."""
        kept = chance.choices((0.5, 0.0, 1.0), weights=(7, 2, 1))[0]
        return cls(kept, chance.choice(SECTORS))

    def pieces(self, writes: Pieces, chance: Random) -> Iterator[tuple[int, bytes]]:
        """What is left of `writes`. Of two on the same place, either or none may be what is there."""
        for offset, data in writes:
            if 0 < self.kept < 1 and offset >= _SUPERBLOCK_ENDS and chance.random() < _TORN:
                yield from self._torn(offset, data, chance)
            elif chance.random() < self.kept:
                yield offset, data

    def _torn(self, offset: int, data: bytes, chance: Random) -> Iterator[tuple[int, bytes]]:
        for start in range(0, len(data), self.sector):
            if chance.random() < self.kept:
                yield offset + start, data[start : start + self.sector]


class Timeline:
    """One image, moved forward through a log: at any moment it holds what a flush had covered by then."""

    def __init__(self, log: DiskLog, image: Image) -> None:
        self._log, self._image = log, image
        self._times = [entry.time for entry in log.entries]
        self._flushes = [number for number, entry in enumerate(log.entries) if entry.is_flush]
        self._flushed = [log.entries[number].time for number in self._flushes]
        self._done = 0

    @property
    def flushes(self) -> list[int]:
        """Their times, in nanoseconds."""
        return self._flushed

    def advance(self, moment: int) -> list[tuple[int, bytes]]:
        """Moves the image to the last flush by `moment` and gives the writes from there until then. Never back."""
        covered = bisect_right(self._flushed, moment)
        durable = self._flushes[covered - 1] if covered else 0
        if durable < self._done:
            raise ValueError("a timeline does not go back")
        for offset, data in self._writes(self._log.entries[self._done : durable]):
            self._image.write(offset, data)
        self._done = durable
        return list(self._writes(self._log.entries[durable : bisect_right(self._times, moment)]))

    def _writes(self, entries: Iterable[Entry]) -> Iterator[tuple[int, bytes]]:
        return ((entry.offset, self._log.data(entry)) for entry in entries if not entry.is_flush)

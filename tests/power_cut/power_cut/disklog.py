"""What happened to a disk, in the order in which it happened: every write with its bytes, and every flush.

The file is a row of entries, each a header and, for a write, its bytes:

    time      u64   nanoseconds of CLOCK_MONOTONIC: the same clock in every process of this machine
    offset    u64   where on the disk; 0 for a flush
    length    u32   bytes that follow; 0 for a flush
    kind      u32   1 a write, 2 a flush

An entry stands in the log before whoever asked for it gets his answer. So what was answered by a moment, and all that
follows from the answer, has its entries before that moment.
"""

from __future__ import annotations

import os
import struct
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final

_HEADER: Final = struct.Struct("<QQII")
_WRITE: Final = 1
_FLUSH: Final = 2


@dataclass(frozen=True, slots=True)
class Entry:
    """`at` is where in the log's file the bytes of a write stand."""

    time: int
    offset: int
    length: int
    at: int

    @property
    def is_flush(self) -> bool:
        return self.length == 0


class LogWriter:
    """Appends. One thread at a time. `limit` in bytes: more than that is an error of the disk (OSError)."""

    def __init__(self, path: Path, limit: int) -> None:
        self._file = path.open("wb", buffering=1 << 20)
        self._limit = limit

    def write(self, offset: int, data: bytes) -> None:
        if self._file.tell() + len(data) > self._limit:
            raise OSError("the log of the disk is full")
        self._file.write(_HEADER.pack(time.monotonic_ns(), offset, len(data), _WRITE))
        self._file.write(data)

    def flush(self) -> None:
        self._file.write(_HEADER.pack(time.monotonic_ns(), 0, 0, _FLUSH))

    def close(self) -> None:
        self._file.close()


class DiskLog:
    """Reads a log whose writer is done."""

    def __init__(self, path: Path) -> None:
        self._handle = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
        self.entries = list(self._read(path.stat().st_size))

    def data(self, entry: Entry) -> bytes:
        return os.pread(self._handle, entry.length, entry.at)

    def close(self) -> None:
        os.close(self._handle)

    def __enter__(self) -> DiskLog:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _read(self, size: int) -> Iterator[Entry]:
        position = 0
        while position < size:
            moment, offset, length, kind = _HEADER.unpack(os.pread(self._handle, _HEADER.size, position))
            position += _HEADER.size
            if (kind, bool(length)) not in {(_WRITE, True), (_FLUSH, False)}:
                raise ValueError(f"not an entry of a disk's log, at {position - _HEADER.size}")
            yield Entry(moment, offset, length, position)
            position += length

"""Parts on the disk: their bytes in one file, each at its place, and a table that says which are there.

staging/<id>.part    the upload: part n at (n - 1) * part_size. A hole where a part is not there yet.
staging/<id>.parts   the table: 64 bytes for each part, part n at (n - 1) * 64, all zero where it is not there:

    4 bytes   its number, from 1 (all numbers big-endian)
    8 bytes   its length
   32 bytes   its SHA-256
    4 bytes   CRC-32 of these 44
   16 bytes   zero

A part is there once its bytes and then its entry were flushed. One that is to be replaced is struck out first, so that
no entry ever stands for bytes that are being changed. An entry that cannot be read, or that the agreement contradicts,
is none: of a torn sector the worst that comes is that a part has to be sent again, and is told to be missing.

No entry depends on another one, so parts may be noted beside each other and nothing has to be put right at a start.
"""

from __future__ import annotations

import hashlib
import struct
import zlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final
from uuid import UUID

from artstore_core.errors import NotFound, StorageUnavailable

from storage_element.disk.durable import Durable
from storage_element.disk.failures import failure
from storage_element.disk.filesystem import READ, WRITE, FileSystem
from storage_element.disk.layout import Layout
from storage_element.disk.small_files import read_small
from storage_element.disk.writer import RunningHash
from storage_element.store.agreement import Agreement
from storage_element.store.part import Part

_ENTRY: Final = struct.Struct(">IQ32s")
_CRC: Final = struct.Struct(">I")
_ENTRY_BYTES: Final = 64
_PIECE: Final = 1024 * 1024


class PartWriter:
    """The bytes of one part, written and hashed piece by piece."""

    def __init__(self, filesystem: FileSystem, durable: Durable, handle: int, offset: int) -> None:
        self._filesystem, self._durable, self._handle, self._offset = filesystem, durable, handle, offset
        self._hash = hashlib.sha256()
        self.size = 0

    def write(self, piece: bytes | memoryview) -> None:
        view = memoryview(piece)
        try:
            while view:
                written = self._filesystem.pwrite(self._handle, view, self._offset + self.size)
                self._hash.update(view[:written])
                self.size += written
                view = view[written:]
        except OSError as error:
            raise failure(error) from error

    def flush(self) -> None:
        self._durable.file(self._handle)

    def checksum(self) -> str:
        return self._hash.hexdigest()

    def close(self) -> None:
        self._filesystem.close(self._handle)


class StagedParts:
    """Fulfils `store.part.PartsDisk`. `check` raises where the disk is not there."""

    def __init__(self, layout: Layout, filesystem: FileSystem, durable: Durable, check: Callable[[], None]) -> None:
        self._layout, self._filesystem, self._durable, self._check = layout, filesystem, durable, check

    def read(self, agreement: Agreement) -> dict[int, Part]:
        """Without a table no part is there: it was made before the agreement, so that is damage, and costs no more."""
        try:
            content = read_small(self._filesystem, self._layout.parts(agreement.upload_id))
        except (FileNotFoundError, ValueError):
            self._check()
            return {}
        except OSError as error:
            raise failure(error) from error
        numbers = range(1, agreement.part_count + 1)
        found = ((number, _entry(content, number)) for number in numbers)
        return {
            number: part for number, part in found if part is not None and part.length == agreement.part_length(number)
        }

    def open(self, upload_id: UUID, offset: int) -> PartWriter:
        handle = self._open(self._layout.part(upload_id), WRITE)
        return PartWriter(self._filesystem, self._durable, handle, offset)

    def note(self, upload_id: UUID, number: int, part: Part | None) -> None:
        entry = bytes(_ENTRY_BYTES) if part is None else _encode(number, part)
        with self._opened(self._layout.parts(upload_id), WRITE) as handle:
            offset, view = (number - 1) * _ENTRY_BYTES, memoryview(entry)
            while view:
                written = self._filesystem.pwrite(handle, view, offset)
                offset, view = offset + written, view[written:]
            self._durable.data(handle)

    def checksum(self, upload_id: UUID, offset: int, length: int) -> str:
        hashed = hashlib.sha256()
        with self._opened(self._layout.part(upload_id), READ) as handle:
            for piece in self._pieces(handle, offset, offset + length):
                hashed.update(piece)
        return hashed.hexdigest()

    def hash_on(self, upload_id: UUID, known: RunningHash | None, until: int) -> RunningHash:
        running = RunningHash() if known is None else known.copy()
        if running.size < until:
            with self._opened(self._layout.part(upload_id), READ) as handle:
                for piece in self._pieces(handle, running.size, until):
                    running.update(piece)
        return running

    def _pieces(self, handle: int, offset: int, end: int) -> Iterator[bytes]:
        while offset < end:
            piece = self._filesystem.pread(handle, min(_PIECE, end - offset), offset)
            if not piece:
                raise StorageUnavailable("An upload is shorter than it was.")
            offset += len(piece)
            yield piece

    @contextmanager
    def _opened(self, path: Path, flags: int) -> Iterator[int]:
        handle = self._open(path, flags)
        try:
            yield handle
        except OSError as error:
            raise failure(error) from error
        finally:
            self._filesystem.close(handle)

    def _open(self, path: Path, flags: int) -> int:
        try:
            return self._filesystem.open(path, flags)
        except FileNotFoundError:
            self._check()
            raise NotFound("There is no such upload.") from None
        except OSError as error:
            raise failure(error) from error


def _encode(number: int, part: Part) -> bytes:
    entry = _ENTRY.pack(number, part.length, bytes.fromhex(part.sha256))
    return (entry + _CRC.pack(zlib.crc32(entry))).ljust(_ENTRY_BYTES, b"\0")


def _entry(table: bytes, number: int) -> Part | None:
    """None for a part that is not there, or whose entry cannot be believed."""
    start = (number - 1) * _ENTRY_BYTES
    entry = table[start : start + _ENTRY.size]
    crc = table[start + _ENTRY.size : start + _ENTRY.size + _CRC.size]
    if len(crc) < _CRC.size or _CRC.unpack(crc)[0] != zlib.crc32(entry):
        return None
    told, length, sha256 = _ENTRY.unpack(entry)
    return Part(length, sha256.hex()) if told == number else None

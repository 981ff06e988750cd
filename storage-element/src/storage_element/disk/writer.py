"""A file that is being received: written and hashed piece by piece."""

from __future__ import annotations

import hashlib
import threading
from pathlib import Path
from typing import TYPE_CHECKING

from storage_element.disk.durable import Durable
from storage_element.disk.failures import meaning
from storage_element.disk.filesystem import APPEND, CREATE, READ, FileSystem

if TYPE_CHECKING:
    from hashlib import _Hash

_PIECE = 1024 * 1024


class Writer:
    """One open file. `size` is what it holds; the running hash is of exactly that, or unknown after a restart."""

    def __init__(
        self, filesystem: FileSystem, durable: Durable, path: Path, handle: int, digest: _Hash | None, size: int
    ) -> None:
        self._filesystem, self._durable, self._handle = filesystem, durable, handle
        self._digest = digest
        self.path, self.size = path, size
        self._began = (size, digest.copy() if digest else None)
        self._closed, self._closing = False, threading.Lock()

    @classmethod
    def create(cls, filesystem: FileSystem, durable: Durable, path: Path) -> Writer:
        with meaning():
            return cls(filesystem, durable, path, filesystem.open(path, CREATE), hashlib.sha256(), 0)

    @classmethod
    def resume(cls, filesystem: FileSystem, durable: Durable, path: Path, known: RunningHash | None) -> Writer:
        """Opens what is there, at its measured end. Raises FileNotFoundError."""
        handle = filesystem.open(path, APPEND)
        size = filesystem.size(handle)
        digest = hashlib.sha256() if size == 0 else known.digest if known and known.size == size else None
        return cls(filesystem, durable, path, handle, digest, size)

    def write(self, piece: bytes) -> None:
        """Raises StorageFull and StorageUnavailable; what was written before that stays, and counts in `size`."""
        view = memoryview(piece)
        with meaning():
            while view:
                written = self._filesystem.write(self._handle, view)
                if self._digest is not None:
                    self._digest.update(view[:written])
                self.size += written
                view = view[written:]

    def flush(self) -> None:
        """What is written so far survives a power cut when this returns (its directory entry apart)."""
        self._durable.file(self._handle)

    def checksum(self) -> str:
        """SHA-256 in hex of all that the file holds; read back where the running hash is not known."""
        if self._digest is None:
            self._digest = self._read_back()
        return self._digest.hexdigest()

    def running(self) -> RunningHash | None:
        return None if self._digest is None else RunningHash(self._digest.copy(), self.size)

    def take_back(self) -> None:
        """Leaves the file as it was when this writer began."""
        size, digest = self._began
        with meaning():
            self._filesystem.truncate(self._handle, size)
        self.size, self._digest = size, digest.copy() if digest else None

    def close(self) -> None:
        """Once more, from any thread, does nothing: by then the handle's number may be another file's."""
        with self._closing:
            if self._closed:
                return
            self._closed = True
        self._filesystem.close(self._handle)

    def _read_back(self) -> _Hash:
        digest, offset = hashlib.sha256(), 0
        with meaning():
            handle = self._filesystem.open(self.path, READ)
            try:
                while piece := self._filesystem.pread(handle, _PIECE, offset):
                    digest.update(piece)
                    offset += len(piece)
            finally:
                self._filesystem.close(handle)
        return digest


class RunningHash:
    """The hash of an upload's first `size` bytes, kept between two requests so that they need not be read again."""

    def __init__(self, digest: _Hash, size: int) -> None:
        self.digest, self.size = digest, size

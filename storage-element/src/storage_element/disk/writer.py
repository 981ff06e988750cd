"""A file that is being received: written and hashed piece by piece, or copied from others inside the kernel."""

from __future__ import annotations

import errno
import hashlib
import threading
from pathlib import Path
from typing import TYPE_CHECKING, Final

from artstore_core.errors import StorageUnavailable

from storage_element.disk.durable import Durable
from storage_element.disk.failures import meaning
from storage_element.disk.filesystem import APPEND, CREATE, READ, WRITE, CopiesRanges, FileSystem
from storage_element.store.ports import SHA256

if TYPE_CHECKING:
    from hashlib import _Hash

_PIECE: Final = 1024 * 1024
_CANNOT: Final = frozenset({errno.EXDEV, errno.EINVAL, errno.ENOSYS, errno.EOPNOTSUPP})
"""What copy_file_range(2) says where a filesystem or a kernel does not have it, or not between these two files."""


class RunningHash:
    """The hash of a file's first `size` bytes. Kept between two requests, so that they need not be read again."""

    def __init__(self, digest: _Hash | None = None, size: int = 0) -> None:
        self.digest, self.size = digest or hashlib.sha256(), size

    def update(self, piece: bytes | memoryview) -> None:
        self.digest.update(piece)
        self.size += len(piece)

    def hexdigest(self) -> str:
        return self.digest.hexdigest()

    def copy(self) -> RunningHash:
        return RunningHash(self.digest.copy(), self.size)


class Writer:
    """One open file. `size` is what it holds; the running hash is of all of it, or of less after a copy or a restart."""

    def __init__(
        self,
        filesystem: FileSystem,
        durable: Durable,
        path: Path,
        handle: int,
        size: int = 0,
        known: RunningHash | None = None,
    ) -> None:
        self._filesystem, self._durable, self._handle = filesystem, durable, handle
        self.path, self.size = path, size
        self._hash = known if known is not None and known.size <= size else RunningHash()
        self._began, self._hash_began = size, self._hash.copy()
        self._body: _Hash | None = None
        self._in_kernel = True
        self._closed, self._closing = False, threading.Lock()

    @classmethod
    def create(cls, filesystem: FileSystem, durable: Durable, path: Path) -> Writer:
        with meaning():
            return cls(filesystem, durable, path, filesystem.open(path, CREATE))

    @classmethod
    def resume(cls, filesystem: FileSystem, durable: Durable, path: Path, known: RunningHash | None) -> Writer:
        """Opens what is there, at its measured end. Raises FileNotFoundError."""
        handle = filesystem.open(path, APPEND)
        return cls(filesystem, durable, path, handle, filesystem.size(handle), known)

    @classmethod
    def restart(cls, filesystem: FileSystem, durable: Durable, path: Path) -> Writer:
        """Opens what is there and cuts it to nothing. Raises FileNotFoundError."""
        handle = filesystem.open(path, WRITE)  # not APPEND: copy_file_range(2) refuses such a file
        try:
            filesystem.truncate(handle, 0)
        except BaseException:
            filesystem.close(handle)
            raise
        return cls(filesystem, durable, path, handle)

    def write(self, piece: bytes | memoryview) -> None:
        """Raises StorageFull and StorageUnavailable; what was written before that stays, and counts in `size`."""
        view = memoryview(piece)
        with meaning():
            while view:
                written = self._filesystem.write(self._handle, view)
                if self._hash.size == self.size:
                    self._hash.update(view[:written])
                if self._body is not None:
                    self._body.update(view[:written])
                self.size += written
                view = view[written:]

    def copy_from(self, source: int, offset: int, length: int) -> None:
        """Adds `length` bytes of the open file `source`, without hashing them (`hash_on` does).

        Inside the kernel where that can be: where the filesystem shares blocks (XFS, Btrfs), no byte is copied at all.
        Raises StorageFull and StorageUnavailable; what was copied before that stays, and counts in `size`.
        """
        end = self.size + length
        with meaning():
            while self.size < end:
                copied = self._copy_some(source, offset, end - self.size)
                if not copied:
                    raise StorageUnavailable("A part is shorter than it was.")
                self.size += copied
                offset += copied

    def flush(self) -> None:
        """What is written so far survives a power cut when this returns (its directory entry apart)."""
        self._durable.file(self._handle)

    def hash_body(self, algorithm: str = SHA256) -> None:
        """From here on, what is written is hashed by itself as well. `algorithm` is hashlib's name."""
        self._body = hashlib.new(algorithm, usedforsecurity=False) if self.size or algorithm != SHA256 else None

    def body_checksum(self) -> str:
        """In hex, of what was written since `hash_body`. SHA-256 of a file's first bytes is what the running hash has."""
        return self.checksum() if self._body is None else self._body.hexdigest()

    def hash_on(self, until: int) -> None:
        """Brings the running hash up to the first `until` bytes, which lie in the file. May run beside `copy_from`."""
        if self._hash.size >= until:
            return
        with meaning():
            handle = self._filesystem.open(self.path, READ)
            try:
                while self._hash.size < until:
                    offset = self._hash.size
                    piece = self._filesystem.pread(handle, min(_PIECE, until - offset), offset)
                    if not piece:
                        raise StorageUnavailable("An upload is shorter than it was.")
                    self._hash.update(piece)
            finally:
                self._filesystem.close(handle)

    def checksum(self) -> str:
        """SHA-256 in hex of all that the file holds; read back where the running hash is not of all of it."""
        self.hash_on(self.size)
        return self._hash.hexdigest()

    def running(self) -> RunningHash:
        return self._hash.copy()

    def take_back(self) -> None:
        """Leaves the file as it was when this writer began."""
        with meaning():
            self._filesystem.truncate(self._handle, self._began)
        self.size, self._hash = self._began, self._hash_began.copy()

    def close(self) -> None:
        """Once more, from any thread, does nothing: by then the handle's number may be another file's."""
        with self._closing:
            if self._closed:
                return
            self._closed = True
        self._filesystem.close(self._handle)

    def _copy_some(self, source: int, offset: int, length: int) -> int:
        if self._in_kernel and isinstance(self._filesystem, CopiesRanges):
            try:
                return self._filesystem.copy_range(source, offset, self._handle, length)
            except OSError as error:
                if error.errno not in _CANNOT:
                    raise
                self._in_kernel = False
        return self._filesystem.write(self._handle, self._filesystem.pread(source, min(_PIECE, length), offset))

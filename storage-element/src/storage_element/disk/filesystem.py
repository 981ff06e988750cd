"""Every call that the element makes to its filesystem, so that tests can make any one of them fail."""

from __future__ import annotations

import ctypes
import fcntl
import os
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol, runtime_checkable

from storage_element.disk.failures import SCARCE

READ = os.O_RDONLY | os.O_CLOEXEC
CREATE = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC
APPEND = os.O_WRONLY | os.O_APPEND | os.O_CLOEXEC
WRITE = os.O_WRONLY | os.O_CLOEXEC
_FILE_MODE = 0o640
_DIRECTORY_MODE = 0o750
_libc = ctypes.CDLL(None, use_errno=True)


@dataclass(frozen=True, slots=True)
class Usage:
    """Bytes that the filesystem has, and that this process may still take of them."""

    total: int
    free: int


class NotOpened(OSError):
    """What was to be flushed could not even be opened: nothing was tried, and nothing of it is lost."""


class FileSystem(Protocol):
    """What is asked of a filesystem. All raise OSError."""

    def open(self, path: Path, flags: int) -> int: ...

    def close(self, handle: int) -> None: ...

    def write(self, handle: int, data: bytes | memoryview) -> int:
        """Writes some of it, as write(2) does; gives the number of bytes."""
        ...

    def pwrite(self, handle: int, data: bytes | memoryview, offset: int) -> int:
        """As `write`, at a place in the file, which may be behind its end."""
        ...

    def pread(self, handle: int, length: int, offset: int) -> bytes: ...

    def size(self, handle: int) -> int: ...

    def truncate(self, handle: int, size: int) -> None: ...

    def fsync(self, handle: int) -> None: ...

    def fdatasync(self, handle: int) -> None:
        """The bytes and the length, but perhaps not the times."""
        ...

    def fsync_dir(self, path: Path) -> None:
        """Makes the entries of a directory durable: a rename or a new file is not, until this returns. Raises NotOpened
        where it did not come to a flush."""
        ...

    def sync_all(self, handle: int) -> None:
        """Flushes the whole filesystem that `handle` lies on: bytes, entries, everything (syncfs(2)). Raises for any
        write that has failed since `handle` was opened."""
        ...

    def rename(self, source: Path, target: Path) -> None: ...

    def link(self, source: Path, target: Path) -> None:
        """A second name for the same file. Raises FileExistsError."""
        ...

    def lock(self, path: Path) -> int:
        """A handle on a directory that nobody else holds a lock on, until it is closed. Raises BlockingIOError."""
        ...

    def unlink(self, path: Path) -> None: ...

    def mkdir(self, path: Path) -> None:
        """Raises FileExistsError for one that is there."""
        ...

    def names(self, path: Path) -> list[str]: ...

    def exists(self, path: Path) -> bool: ...

    def modified(self, path: Path) -> float:
        """When a file's bytes last changed, in seconds since the epoch."""
        ...

    def length(self, path: Path) -> int:
        """A file's length in bytes, by its name."""
        ...

    def usage(self, path: Path) -> Usage: ...


@runtime_checkable
class CopiesRanges(Protocol):
    """What a filesystem may be able to do beside that."""

    def copy_range(self, source: int, offset: int, target: int, length: int) -> int:
        """Copies some of the bytes of `source` at `offset` to where `target` was written last, inside the kernel, as
        copy_file_range(2) does; gives their number, 0 at the end of `source`. Raises OSError."""
        ...


@runtime_checkable
class DropsCache(Protocol):
    def drop_cached(self, handle: int, offset: int, length: int) -> None:
        """Tells the kernel that nobody needs these bytes in memory (posix_fadvise(2)); it may do as it likes."""
        ...


class RealFileSystem:
    """The operating system's own."""

    def open(self, path: Path, flags: int) -> int:
        return os.open(path, flags, _FILE_MODE)

    def close(self, handle: int) -> None:
        os.close(handle)

    def write(self, handle: int, data: bytes | memoryview) -> int:
        return os.write(handle, data)

    def pwrite(self, handle: int, data: bytes | memoryview, offset: int) -> int:
        return os.pwrite(handle, data, offset)

    def copy_range(self, source: int, offset: int, target: int, length: int) -> int:
        return os.copy_file_range(source, target, length, offset_src=offset)

    def allocate(self, handle: int, size: int) -> None:
        os.posix_fallocate(handle, 0, size)

    def pread(self, handle: int, length: int, offset: int) -> bytes:
        return os.pread(handle, length, offset)

    def drop_cached(self, handle: int, offset: int, length: int) -> None:
        os.posix_fadvise(handle, offset, length, os.POSIX_FADV_DONTNEED)

    def size(self, handle: int) -> int:
        return os.fstat(handle).st_size

    def truncate(self, handle: int, size: int) -> None:
        os.ftruncate(handle, size)

    def fsync(self, handle: int) -> None:
        os.fsync(handle)

    def fdatasync(self, handle: int) -> None:
        os.fdatasync(handle)

    def fsync_dir(self, path: Path) -> None:
        try:
            handle = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        except OSError as error:
            if error.errno in SCARCE:
                raise NotOpened(error.errno, error.strerror) from error
            raise
        try:
            os.fsync(handle)
        finally:
            os.close(handle)

    def sync_all(self, handle: int) -> None:
        if _libc.syncfs(handle) != 0:
            number = ctypes.get_errno()
            raise OSError(number, os.strerror(number))

    def rename(self, source: Path, target: Path) -> None:
        source.rename(target)

    def link(self, source: Path, target: Path) -> None:
        os.link(source, target)

    def lock(self, path: Path) -> int:
        handle = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BaseException:
            os.close(handle)
            raise
        return handle

    def unlink(self, path: Path) -> None:
        path.unlink()

    def mkdir(self, path: Path) -> None:
        path.mkdir(_DIRECTORY_MODE)

    def names(self, path: Path) -> list[str]:
        with os.scandir(path) as entries:
            return [entry.name for entry in entries]

    def exists(self, path: Path) -> bool:
        # Not Path.exists(), which takes an I/O error for an absence.
        try:
            path.lstat()
        except FileNotFoundError:
            return False
        return True

    def modified(self, path: Path) -> float:
        return path.lstat().st_mtime

    def length(self, path: Path) -> int:
        return path.lstat().st_size

    def usage(self, path: Path) -> Usage:
        found = os.statvfs(path)
        return Usage(total=found.f_frsize * found.f_blocks, free=found.f_frsize * found.f_bavail)

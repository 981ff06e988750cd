"""Every call that the element makes to its filesystem, so that tests can make any one of them fail."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

READ = os.O_RDONLY | os.O_CLOEXEC
CREATE = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC
APPEND = os.O_WRONLY | os.O_APPEND | os.O_CLOEXEC
_FILE_MODE = 0o640
_DIRECTORY_MODE = 0o750


@dataclass(frozen=True, slots=True)
class Usage:
    """Bytes that the filesystem has, and that this process may still take of them."""

    total: int
    free: int


class FileSystem(Protocol):
    """What is asked of a filesystem. All raise OSError."""

    def open(self, path: Path, flags: int) -> int: ...

    def close(self, handle: int) -> None: ...

    def write(self, handle: int, data: bytes | memoryview) -> int:
        """Writes some of it, as write(2) does; gives the number of bytes."""
        ...

    def pread(self, handle: int, length: int, offset: int) -> bytes: ...

    def size(self, handle: int) -> int: ...

    def truncate(self, handle: int, size: int) -> None: ...

    def fsync(self, handle: int) -> None: ...

    def fsync_dir(self, path: Path) -> None:
        """Makes the entries of a directory durable: a rename or a new file is not, until this returns."""
        ...

    def rename(self, source: Path, target: Path) -> None: ...

    def unlink(self, path: Path) -> None: ...

    def mkdir(self, path: Path) -> None:
        """Raises FileExistsError for one that is there."""
        ...

    def names(self, path: Path) -> list[str]: ...

    def exists(self, path: Path) -> bool: ...

    def modified(self, path: Path) -> float:
        """When a file's bytes last changed, in seconds since the epoch."""
        ...

    def usage(self, path: Path) -> Usage: ...


class RealFileSystem:
    """The operating system's own."""

    def open(self, path: Path, flags: int) -> int:
        return os.open(path, flags, _FILE_MODE)

    def close(self, handle: int) -> None:
        os.close(handle)

    def write(self, handle: int, data: bytes | memoryview) -> int:
        return os.write(handle, data)

    def pread(self, handle: int, length: int, offset: int) -> bytes:
        return os.pread(handle, length, offset)

    def size(self, handle: int) -> int:
        return os.fstat(handle).st_size

    def truncate(self, handle: int, size: int) -> None:
        os.ftruncate(handle, size)

    def fsync(self, handle: int) -> None:
        os.fsync(handle)

    def fsync_dir(self, path: Path) -> None:
        handle = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        try:
            os.fsync(handle)
        finally:
            os.close(handle)

    def rename(self, source: Path, target: Path) -> None:
        source.rename(target)

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

    def usage(self, path: Path) -> Usage:
        found = os.statvfs(path)
        return Usage(total=found.f_frsize * found.f_blocks, free=found.f_frsize * found.f_bavail)

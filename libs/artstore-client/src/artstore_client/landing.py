"""Where a download lands on disk: whole under its name, or not at all. Plain code, run in worker threads.

The bytes go to a temporary file in the destination's folder (another file system could not be renamed from), are
flushed to the disk, and take their name in one step: that is the commit point.

A cancelled asyncio task does not stop the worker thread that it waits for, so `discard` may come while another thread
still opens or writes. A lock and a flag make either order end with nothing left behind.
"""

from __future__ import annotations

import errno
import hashlib
import os
import secrets
import stat
import threading
from pathlib import Path
from typing import IO, BinaryIO, Protocol

_NO_LINKS = frozenset({errno.EPERM, errno.ENOTSUP, errno.EOPNOTSUPP, errno.ENOSYS, errno.EMLINK, errno.EXDEV})
_MAX_NUMBER = 10_000


class Landing(Protocol):
    """Takes the bytes of one file, then either keeps or discards them."""

    def open(self) -> None: ...

    def write(self, piece: bytes) -> None: ...

    def sha256(self) -> str: ...

    def keep(self, offered_name: str) -> Path | None: ...

    def discard(self) -> None: ...


def choose(destination: str | os.PathLike[str] | BinaryIO) -> Landing:
    """A landing for a file object, a folder (existing, or with a slash at its end) or a file's path.

    Looks, and opens nothing yet.
    """
    if not isinstance(destination, str | os.PathLike):
        return StreamLanding(destination)
    text, path = os.fspath(destination), Path(destination)
    if path.is_dir() or text.endswith(os.sep):
        return FileLanding(folder=path, name=None)
    try:
        special = not stat.S_ISREG(path.stat().st_mode)
    except FileNotFoundError:
        special = False
    if special:  # /dev/null, a FIFO: to be written to, not to be replaced by a file
        return StreamLanding(path)
    return FileLanding(folder=path.parent, name=path.name)


class StreamLanding:
    """A file object of the caller's. What it was given cannot be taken back; a bad checksum is told after the fact."""

    def __init__(self, target: BinaryIO | Path) -> None:
        self._target = target
        self._file: IO[bytes] | None = None
        self._lock = threading.Lock()
        self._over = False
        self._hash = hashlib.sha256()

    def open(self) -> None:
        if not isinstance(self._target, Path):
            self._file = self._target
            return
        file = self._target.open("wb", buffering=0)  # outside the lock: a FIFO waits here for its reader
        with self._lock:
            self._file = file
            if self._over:
                file.close()

    def write(self, piece: bytes) -> None:
        assert self._file is not None
        rest = memoryview(piece)
        while rest:  # an unbuffered file may take less than it is given
            written = self._file.write(rest)
            rest = rest[len(rest) if written is None else written :]
        self._hash.update(piece)

    def sha256(self) -> str:
        return self._hash.hexdigest()

    def keep(self, offered_name: str) -> Path | None:
        """Flushes; there is no path to return."""
        del offered_name
        if self._file:
            self._file.flush()
        self.discard()
        return None

    def discard(self) -> None:
        with self._lock:
            self._over = True
            if self._file and isinstance(self._target, Path):
                self._file.close()


class FileLanding:
    """A file in `folder`. With a `name` of the caller's choice it replaces what is there, as `cp` does.

    Without, the server chooses the name, and then nothing that exists is ever replaced: a number is added.
    """

    def __init__(self, *, folder: Path, name: str | None) -> None:
        self._folder = folder
        self._name = name
        self._hash = hashlib.sha256()
        self._temporary = folder / f".artstore-{secrets.token_hex(8)}.part"
        self._file: IO[bytes] | None = None
        self._lock = threading.Lock()
        self._over = False

    def open(self) -> None:
        """Creates the temporary file. Raises OSError before any byte was fetched in vain."""
        flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_BINARY", 0)
        with self._lock:
            if not self._over:
                self._file = os.fdopen(os.open(self._temporary, flags, 0o666), "wb")

    def write(self, piece: bytes) -> None:
        with self._lock:
            assert self._file is not None
            self._file.write(piece)
        self._hash.update(piece)

    def sha256(self) -> str:
        return self._hash.hexdigest()

    def keep(self, offered_name: str) -> Path:
        """Makes the file durable and gives it its name; returns its path."""
        with self._lock:
            assert self._file is not None
            self._file.flush()
            os.fsync(self._file.fileno())
            self._file.close()
            if self._name is not None:
                path = self._folder / self._name
                self._temporary.replace(path)
            else:
                path = self._under_a_free_name(offered_name)
            self._sync_folder()
        return path

    def discard(self) -> None:
        with self._lock:
            self._over = True
            if self._file is not None:
                try:
                    self._file.close()
                finally:  # a full disk fails the flush on closing, too
                    self._temporary.unlink(missing_ok=True)

    def _under_a_free_name(self, name: str) -> Path:
        stem, suffix = Path(name).stem, Path(name).suffix
        for number in range(1, _MAX_NUMBER):
            path = self._folder / (name if number == 1 else f"{stem} ({number}){suffix}")
            try:
                # A link, unlike a rename, fails when the name is taken: two downloads never overwrite each other.
                os.link(self._temporary, path)
            except FileExistsError:
                continue
            except OSError as error:
                if error.errno not in _NO_LINKS:
                    raise
                if os.path.lexists(path):
                    continue
                self._temporary.replace(
                    path
                )  # no links here (FAT): the gap after the check is what is left of the risk
                return path
            self._temporary.unlink()
            return path
        raise FileExistsError(errno.EEXIST, "too many files of this name", name)

    def _sync_folder(self) -> None:
        if os.name == "nt":  # folders cannot be opened there
            return
        descriptor = os.open(self._folder, os.O_RDONLY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)

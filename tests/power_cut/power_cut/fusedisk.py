"""A disk in a process of its own: one file, `disk`, on FUSE. A loop device on it makes a block device of it.

The loop device asks one thing at a time, and turns the block layer's flush into this file's fsync; FUSE passes every
write on before it is answered. So the order of the calls here is the order in which a real disk would have got them.
"""

from __future__ import annotations

import errno
import os
import signal
import stat
import sys
import traceback
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final, NoReturn

from power_cut import system
from power_cut.disklog import LogWriter
from power_cut.images import Image

_NAME: Final = "disk"
_MOST: Final = 128 * 1024
_MOUNTED: Final = b"m"


class _Disk:
    """What fusepy calls: it asks for an operation by name, and calls the object itself with the name and arguments."""

    use_ns = True

    def __init__(self, image: Image, log: LogWriter | None, says_ready: int) -> None:
        self._image, self._log, self._says_ready = image, log, says_ready

    def __call__(self, operation: str, *arguments: Any) -> Any:
        try:
            return getattr(self, operation)(*arguments)
        except OSError as error:
            # fusepy would answer with an error and say nothing; ext4 would then speak of I/O errors without a reason.
            if error.errno != errno.ENOENT:
                traceback.print_exc()
            raise OSError(error.errno or errno.EIO, str(error)) from error

    def init(self, _path: str) -> None:
        os.write(self._says_ready, _MOUNTED)

    def getattr(self, path: str, _handle: int | None = None) -> dict[str, int]:
        if path == "/":
            return {"st_mode": stat.S_IFDIR | 0o700, "st_nlink": 2}
        if path == f"/{_NAME}":
            return {"st_mode": stat.S_IFREG | 0o600, "st_nlink": 1, "st_size": self._image.size}
        raise OSError(errno.ENOENT, path)

    def open(self, _path: str, _flags: int) -> int:
        return 0

    def read(self, _path: str, length: int, offset: int, _handle: int) -> bytes:
        return self._image.read(offset, min(length, self._image.size - offset))

    def write(self, _path: str, data: bytes, offset: int, _handle: int) -> int:
        self._image.write(offset, data)
        if self._log is not None:
            self._log.write(offset, data)
        return len(data)

    def fsync(self, _path: str, _datasync: int, _handle: int) -> None:
        if self._log is not None:
            self._log.flush()


@contextmanager
def fuse_disk(directory: Path, image: Image, log: Path | None = None, log_limit: int = 1 << 34) -> Iterator[Path]:
    """Serves `image` from a child process until the block ends; gives the path of the file. `log`: where it is written.

    `image` is the child's own copy from then on: what is written in the child is not seen here unless it is in a file.
    """
    directory.mkdir(exist_ok=True)
    ready, says_ready = os.pipe()
    child = os.fork()
    if child == 0:
        os.close(ready)
        _serve(directory, image, log, log_limit, says_ready)
    os.close(says_ready)
    try:
        if os.read(ready, 1) != _MOUNTED:
            raise system.Missing("FUSE could not be mounted")
        yield directory / _NAME
    finally:
        os.close(ready)
        system.unmount(directory)
        system.end(child)


def _serve(directory: Path, image: Image, log: Path | None, log_limit: int, says_ready: int) -> NoReturn:
    """The child. A ctrl-C is its parent's business, which unmounts and so ends it."""
    code = 1
    try:
        system.die_with_parent()
        for number in (signal.SIGINT, signal.SIGTERM):
            signal.signal(number, signal.SIG_IGN)
        from fuse import FUSE  # only here: where libfuse is missing, the import fails

        writer = LogWriter(log, log_limit) if log is not None else None
        disk = _Disk(image, writer, says_ready)
        FUSE(
            disk,
            str(directory),
            foreground=True,
            nothreads=True,
            big_writes=True,
            max_write=_MOST,
            max_read=_MOST,
            fsname="power-cut",
        )
        if writer is not None:
            writer.close()
        code = 0
    except BaseException:  # noqa: BLE001  the parent's stack must not run here
        traceback.print_exc()
    finally:
        sys.stderr.flush()
        os._exit(code)

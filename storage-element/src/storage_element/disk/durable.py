"""Flushing, with the one rule that a failed fsync is never retried (requirement S4).

After a failed fsync the kernel may have dropped the pages and marked them clean: a second fsync would succeed and mean
nothing. So the first failure is remembered, every later flush is refused, and only a restart, which reads back what is
really on the disk, ends that.
"""

from __future__ import annotations

from pathlib import Path

from artstore_core.errors import StorageUnavailable

from storage_element.disk.filesystem import FileSystem


class Durable:
    """Makes files and directory entries survive a power cut, or raises StorageUnavailable."""

    def __init__(self, filesystem: FileSystem) -> None:
        self._filesystem = filesystem
        self._failed = False

    @property
    def failed(self) -> bool:
        return self._failed

    def file(self, handle: int) -> None:
        self._check()
        try:
            self._filesystem.fsync(handle)
        except OSError as error:
            raise self._fail() from error
        self._check()  # another thread's flush of the same disk may have failed meanwhile

    def directory(self, path: Path) -> None:
        self._check()
        try:
            self._filesystem.fsync_dir(path)
        except FileNotFoundError:
            raise  # the directory is gone, nothing was flushed: an unmounted disk, and not a broken one
        except OSError as error:
            raise self._fail() from error
        self._check()

    def _check(self) -> None:
        if self._failed:
            raise _stopped()

    def _fail(self) -> StorageUnavailable:
        self._failed = True
        return _stopped()


def _stopped() -> StorageUnavailable:
    return StorageUnavailable("The storage element takes no changes until it is restarted.", retry_after=30)

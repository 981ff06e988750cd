"""Flushing, with the one rule that a failed fsync is never retried (requirement S4).

After a failed fsync the kernel may have dropped the pages and marked them clean: a second fsync would succeed and mean
nothing. So the first failure is remembered, every later flush is refused, and only a restart, which reads back what is
really on the disk, ends that. To have no descriptor left to open a directory with is no failed flush: that concerns one
change, and passes.
"""

from __future__ import annotations

import errno
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Final

from artstore_core.errors import StorageUnavailable

from storage_element.disk.failures import failure
from storage_element.disk.filesystem import FileSystem, NotOpened

_NO_DESCRIPTORS: Final = frozenset({errno.EMFILE, errno.ENFILE})
"""Which an open(2) may say, and an fsync(2) never."""


class _Turns:
    """Whoever asks while a flush is under way waits for the next one, and that one is enough for all of them. A flush that
    failed must have told so by the time it raises: those who wait begin theirs then."""

    def __init__(self) -> None:
        self._one_at_a_time, self._counting = threading.Lock(), threading.Lock()
        self._asked = self._done = 0

    def run(self, flush: Callable[[], None]) -> None:
        with self._counting:
            self._asked += 1
            mine = self._asked
        with self._one_at_a_time:
            if self._done >= mine:
                return
            with self._counting:
                begun = self._asked
            flush()
            self._done = begun


class Durable:
    """Makes files and directory entries survive a power cut, or raises StorageUnavailable. `on_failure` hears why, once, as
    soon as it cannot any more."""

    def __init__(self, filesystem: FileSystem, on_failure: Callable[[str], None] = lambda _: None) -> None:
        self._filesystem, self._on_failure = filesystem, on_failure
        self._failed = False
        self._lock = threading.Lock()
        self._directories: dict[Path, _Turns] = {}

    @property
    def failed(self) -> bool:
        return self._failed

    def file(self, handle: int) -> None:
        self._check()
        try:
            self._filesystem.fsync(handle)
        except OSError as error:
            raise self.fail(error) from error
        self._check()  # another thread's flush of the same disk may have failed meanwhile

    def data(self, handle: int) -> None:
        """The bytes and the length of a file whose name is durable already."""
        self._check()
        try:
            self._filesystem.fdatasync(handle)
        except OSError as error:
            raise self.fail(error) from error
        self._check()

    def directory(self, path: Path) -> None:
        self._check()
        self._turns(path).run(lambda: self._flush_directory(path))
        self._check()

    def everything(self, handle: int) -> None:
        """All that was written to the filesystem that `handle` lies on. Raises for a write that failed since then."""
        self._check()
        try:
            self._filesystem.sync_all(handle)
        except OSError as error:
            raise self.fail(error) from error
        self._check()

    def _flush_directory(self, path: Path) -> None:
        self._check()  # what failed while this one waited for its turn is not tried again
        try:
            self._filesystem.fsync_dir(path)
        except FileNotFoundError:
            raise  # the directory is gone, nothing was flushed: an unmounted disk, and not a broken one
        except OSError as error:
            if isinstance(error, NotOpened) or error.errno in _NO_DESCRIPTORS:
                raise failure(error) from error
            raise self.fail(error) from error

    def _turns(self, path: Path) -> _Turns:
        with self._lock:
            return self._directories.setdefault(path, _Turns())

    def _check(self) -> None:
        if self._failed:
            raise _stopped()

    def fail(self, cause: Exception | None = None) -> StorageUnavailable:
        """From now on nothing is durable. Gives the error to raise."""
        with self._lock:
            first, self._failed = not self._failed, True
        if first:
            self._on_failure(str(cause))
        return _stopped()


def _stopped() -> StorageUnavailable:
    return StorageUnavailable("The storage element takes no changes until it is restarted.", retry_after=30)

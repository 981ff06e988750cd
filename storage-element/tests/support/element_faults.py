"""Filesystems that stand before another one: they count its calls, make one fail, or kill the process at one.

None of them changes what a call does unless it is told to. `armed` says from when on calls count.
"""

from __future__ import annotations

import errno
import os
import signal
import threading
from collections.abc import Callable, Sequence
from enum import StrEnum
from pathlib import Path
from typing import Any, Final, Protocol, TypeVar

from storage_element.disk.filesystem import CopiesRanges, DropsCache, FileSystem, RealFileSystem, Usage

T = TypeVar("T")

READS: Final = frozenset({"pread", "drop_cached", "size", "names", "exists", "modified", "length", "usage"})
"""Calls that leave the disk as it is, and hold nothing open."""


class Capable(FileSystem, CopiesRanges, DropsCache, Protocol):
    """All that a filesystem may be able to do."""


class Interposed:
    """Fulfils `Capable`: each call goes through `_call`, which subclasses replace."""

    def __init__(self, inner: Capable | None = None) -> None:
        self.inner: Capable = inner or RealFileSystem()

    def _call(self, name: str, act: Callable[..., T], *given: Any) -> T:  # noqa: ARG002 - it is for those who replace it
        return act(*given)

    def open(self, path: Path, flags: int) -> int:
        return self._call("open", self.inner.open, path, flags)

    def close(self, handle: int) -> None:
        self._call("close", self.inner.close, handle)

    def write(self, handle: int, data: bytes | memoryview) -> int:
        return self._call("write", self.inner.write, handle, data)

    def pwrite(self, handle: int, data: bytes | memoryview, offset: int) -> int:
        return self._call("pwrite", self.inner.pwrite, handle, data, offset)

    def copy_range(self, source: int, offset: int, target: int, length: int) -> int:
        return self._call("copy_range", self.inner.copy_range, source, offset, target, length)

    def drop_cached(self, handle: int, offset: int, length: int) -> None:
        self._call("drop_cached", self.inner.drop_cached, handle, offset, length)

    def pread(self, handle: int, length: int, offset: int) -> bytes:
        return self._call("pread", self.inner.pread, handle, length, offset)

    def size(self, handle: int) -> int:
        return self._call("size", self.inner.size, handle)

    def truncate(self, handle: int, size: int) -> None:
        self._call("truncate", self.inner.truncate, handle, size)

    def fsync(self, handle: int) -> None:
        self._call("fsync", self.inner.fsync, handle)

    def fdatasync(self, handle: int) -> None:
        self._call("fdatasync", self.inner.fdatasync, handle)

    def fsync_dir(self, path: Path) -> None:
        self._call("fsync_dir", self.inner.fsync_dir, path)

    def sync_all(self, handle: int) -> None:
        self._call("sync_all", self.inner.sync_all, handle)

    def rename(self, source: Path, target: Path) -> None:
        self._call("rename", self.inner.rename, source, target)

    def link(self, source: Path, target: Path) -> None:
        self._call("link", self.inner.link, source, target)

    def lock(self, path: Path) -> int:
        return self._call("lock", self.inner.lock, path)

    def unlink(self, path: Path) -> None:
        self._call("unlink", self.inner.unlink, path)

    def mkdir(self, path: Path) -> None:
        self._call("mkdir", self.inner.mkdir, path)

    def names(self, path: Path) -> list[str]:
        return self._call("names", self.inner.names, path)

    def exists(self, path: Path) -> bool:
        return self._call("exists", self.inner.exists, path)

    def modified(self, path: Path) -> float:
        return self._call("modified", self.inner.modified, path)

    def length(self, path: Path) -> int:
        return self._call("length", self.inner.length, path)

    def usage(self, path: Path) -> Usage:
        return self._call("usage", self.inner.usage, path)


class CountingFileSystem(Interposed):
    """Counts calls and keeps `log`, a line for each: its name, and the names of the files that it is for.

    `ignoring` are kinds of calls that neither count nor are logged.
    """

    def __init__(self, inner: Capable | None = None, *, ignoring: frozenset[str] = frozenset()) -> None:
        super().__init__(inner)
        self.calls = 0
        self.log: list[str] = []
        self._ignoring = ignoring
        self._opened: dict[int, str] = {}
        self._counting = threading.Lock()

    def _call(self, name: str, act: Callable[..., T], *given: Any) -> T:
        if name in self._ignoring:
            return self._act(name, act, *given)
        with self._counting:
            self.calls += 1
            self._before(name, self.calls)
            self.log.append(" ".join([name, *self._names(given)]))
            number = self.calls
        try:
            return self._act(name, act, *given)
        finally:
            self._after(number)

    def _before(self, name: str, number: int) -> None:
        """What is to happen instead of this call."""

    def _after(self, number: int) -> None:
        """What is to happen once it is done, or has failed."""

    def _act(self, name: str, act: Callable[..., T], *given: Any) -> T:
        result = act(*given)
        if name in ("open", "lock") and isinstance(result, int):
            self._opened[result] = given[0].name
        return result

    def _names(self, given: Sequence[Any]) -> list[str]:
        return [
            part.name if isinstance(part, Path) else self._opened.get(part, "?")
            for place, part in enumerate(given)
            if isinstance(part, Path) or (place == 0 and isinstance(part, int))
        ]


class FailingFileSystem(CountingFileSystem):
    """Raises OSError where `fail` told it to. `log` has only the calls that were let through.

    `most_per_write` makes writes short, as write(2) may.
    """

    def __init__(
        self,
        inner: Capable | None = None,
        *,
        ignoring: frozenset[str] = READS | {"close"},
        most_per_write: int | None = None,
    ) -> None:
        super().__init__(inner, ignoring=ignoring)
        self.failures = 0
        self._most = most_per_write
        self._left = 0
        self._kinds: frozenset[str] = frozenset()
        self._error, self._for_ever = errno.EIO, False

    def fail(self, at: int = 1, *, on: Sequence[str] = (), error: int = errno.EIO, for_ever: bool = False) -> None:
        """The `at`-th call from now on raises `error`; of the kinds `on` alone, where some are named.

        `for_ever`: so do all of those kinds that follow, until `mend`.
        """
        with self._counting:
            self._left, self._kinds, self._error, self._for_ever = at, frozenset(on), error, for_ever

    def mend(self) -> None:
        self.fail(0)

    def write(self, handle: int, data: bytes | memoryview) -> int:
        return super().write(handle, data[: self._most])

    def pwrite(self, handle: int, data: bytes | memoryview, offset: int) -> int:
        return super().pwrite(handle, data[: self._most], offset)

    def _before(self, name: str, number: int) -> None:
        if self._left < 1 or (self._kinds and name not in self._kinds):
            return
        if self._left > 1:
            self._left -= 1
            return
        self._left = 1 if self._for_ever else 0
        self.failures += 1
        raise OSError(self._error, f"injected at call {number}")


class Moment(StrEnum):
    BEFORE = "before"
    MIDWAY = "midway"
    """A write is cut in half; another call is as good as not begun."""
    AFTER = "after"


class KillingFileSystem(CountingFileSystem):
    """Ends its process with SIGKILL at the `kill_at`-th call after `arm`. Nothing of Python runs any more then."""

    def __init__(self, inner: Capable | None = None, *, ignoring: frozenset[str] = frozenset()) -> None:
        super().__init__(inner, ignoring=ignoring)
        self._kill_at, self._moment = 0, Moment.BEFORE

    def arm(self, kill_at: int, moment: Moment = Moment.BEFORE) -> None:
        """Counts anew from here. `kill_at` 0 kills at no call."""
        with self._counting:
            self.calls, self._kill_at, self._moment = 0, kill_at, moment
            self.log.clear()

    def write(self, handle: int, data: bytes | memoryview) -> int:
        if self._moment is Moment.MIDWAY and self.calls + 1 == self._kill_at:
            self.inner.write(handle, data[: len(data) // 2])
        return super().write(handle, data)

    def pwrite(self, handle: int, data: bytes | memoryview, offset: int) -> int:
        if self._moment is Moment.MIDWAY and self.calls + 1 == self._kill_at:
            self.inner.pwrite(handle, data[: len(data) // 2], offset)
        return super().pwrite(handle, data, offset)

    def _before(self, name: str, number: int) -> None:  # noqa: ARG002 - it kills at any kind
        if number == self._kill_at and self._moment is not Moment.AFTER:
            os.kill(os.getpid(), signal.SIGKILL)

    def _after(self, number: int) -> None:
        if number == self._kill_at:
            os.kill(os.getpid(), signal.SIGKILL)

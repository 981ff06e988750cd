"""A filesystem in memory that loses what a power cut would lose (element_volume says what that is).

disk = SimulatedDisk(top)
disk.record()                        # a trace begins
...                                  # work with it; disk.mark("acknowledged a") wherever something is promised
for cut in disk.cuts(FATES):         # every prefix of the trace, every fate, each different disk once
    ...                              # cut.disk is what the next start finds, cut.marks what was promised by then
"""

from __future__ import annotations

import errno
import os
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from element_fate import Fate
from element_handles import Handle, Handles
from element_volume import (
    ROOT,
    AllFlushed,
    Change,
    DirectoryFlushed,
    Entered,
    Event,
    FileFlushed,
    Made,
    Marked,
    Model,
    Resized,
    Volume,
    Wrote,
)
from storage_element.disk.filesystem import Usage

TOTAL_BYTES: Final = 1 << 40
_ACCESS: Final = os.O_RDONLY | os.O_WRONLY | os.O_RDWR

Loses = Callable[[str, Path], bool]
"""Is this flush (`fsync`, `fdatasync`, `fsync_dir`, `sync_all`; and the path that it is for) to do nothing?"""


@dataclass(frozen=True)
class Cut:
    """A power cut after the first `position` events of a trace."""

    position: int
    fate: Fate
    disk: SimulatedDisk
    marks: Sequence[object] = field(default=())

    def __str__(self) -> str:
        return f"cut after {self.position} events with {self.fate}"


class SimulatedDisk:
    """Fulfils `FileSystem`. `top` and the directories above it are there from the beginning. Safe for threads.

    `loses` takes flushes out, to see whether a test notices; `now` is the clock of modification times.
    """

    def __init__(
        self,
        top: Path,
        *,
        model: Model = Model.STRICT,
        loses: Loses = lambda *_: False,
        now: Callable[[], float] = time.time,
    ) -> None:
        self.top = top
        self._loses, self._now = loses, now
        self._volume = Volume(model)
        self._lock = threading.RLock()
        self._handles = Handles()
        self._off = False
        self._began: Volume | None = None
        self._trace: list[Event] = []
        for place in range(1, len(top.parts)):
            self.mkdir(Path(*top.parts[: place + 1]))
        self._do(AllFlushed())

    # What tests do with it.

    def record(self) -> None:
        """A trace begins here; the one before is forgotten."""
        with self._lock:
            self._began, self._trace = self._volume.copy(), []

    def mark(self, what: object) -> None:
        self._do(Marked(what))

    @property
    def trace(self) -> list[Event]:
        with self._lock:
            return list(self._trace)

    @property
    def open_handles(self) -> list[Path]:
        with self._lock:
            return [handle.path for handle in self._handles]

    def tree(self) -> dict[str, bytes | None]:
        """What lies under `top`: relative paths with their bytes, or with None for a directory."""
        with self._lock:
            prefix = f"{self.top}/"
            return {path.removeprefix(prefix): data for path, data in self._volume.walk() if path.startswith(prefix)}

    def killed(self) -> SimulatedDisk:
        """What the next process finds. Nothing is lost, nothing has become durable; to this one, the disk is gone."""
        with self._lock:
            self._off = True
            return self._other(self._volume.copy())

    def after_power_cut(self, fate: Fate) -> SimulatedDisk:
        """The same, but that `fate` decides on all that was not synced."""
        with self._lock:
            self._off = True
            return self._other(self._volume.after_power_cut(fate))

    def left_at(self, position: int, fate: Fate | None) -> Cut:
        """What there was after so many events of the trace: after a power cut, or, without a fate, as a kill leaves
        it. To this disk's process, the disk is gone."""
        with self._lock:
            if self._began is None:
                raise ValueError("nothing was recorded")
            volume, trace = self._began.copy(), self._trace[:position]
            self._off = True
        for event in trace:
            volume.apply(event)
        if fate is not None:
            volume = volume.after_power_cut(fate)
        marks = tuple(event.what for event in trace if isinstance(event, Marked))
        return Cut(len(trace), fate or Fate(1, 1), self._other(volume), marks)

    def cuts(self, chosen: Sequence[Fate]) -> Iterator[Cut]:
        """A power cut at each instant of the trace. Two that leave the same bytes after the same marks are one."""
        with self._lock:
            if self._began is None:
                raise ValueError("nothing was recorded")
            volume, trace = self._began.copy(), list(self._trace)
        marks: list[object] = []
        seen: set[int] = set()
        for position in range(len(trace) + 1):
            if position:
                event = trace[position - 1]
                volume.apply(event)
                if isinstance(event, Marked):
                    marks.append(event.what)
                    seen.clear()
            for fate in chosen:
                drawn = fate.at(position)
                left = volume.after_power_cut(drawn)
                if (fingerprint := left.fingerprint()) not in seen:
                    seen.add(fingerprint)
                    yield Cut(position, drawn, self._other(left), tuple(marks))

    # What the element does with it.

    def open(self, path: Path, flags: int) -> int:
        with self._lock:
            parent, number = self._look(path)
            if number is None:
                if not flags & os.O_CREAT:
                    raise _error(errno.ENOENT, path)
                number = self._make(parent, path.name, directory=False)
            elif flags & os.O_CREAT and flags & os.O_EXCL:
                raise _error(errno.EEXIST, path)
            elif number in self._volume.directories:
                if flags & _ACCESS != os.O_RDONLY:
                    raise _error(errno.EISDIR, path)
            elif flags & os.O_DIRECTORY:
                raise _error(errno.ENOTDIR, path)
            elif flags & os.O_TRUNC and self._volume.files[number].content:
                self._do(Resized(number, 0, self._now()))
            return self._handles.give(Handle(number, path, flags))

    def close(self, handle: int) -> None:
        with self._lock:
            self._of(handle)
            self._handles.take_back(handle)

    def write(self, handle: int, data: bytes | memoryview) -> int:
        with self._lock:
            opened = self._of(handle)
            if opened.flags & _ACCESS == os.O_RDONLY:
                raise _error(errno.EBADF, opened.path)
            if opened.flags & os.O_APPEND:
                opened.position = len(self._volume.files[opened.number].content)
            content = bytes(data)
            if content:
                self._do(Wrote(opened.number, opened.position, content, self._now()))
            opened.position += len(content)
            return len(content)

    def pwrite(self, handle: int, data: bytes | memoryview, offset: int) -> int:
        with self._lock:
            opened = self._of(handle)
            if opened.flags & _ACCESS == os.O_RDONLY:
                raise _error(errno.EBADF, opened.path)
            if data:
                self._do(Wrote(opened.number, offset, bytes(data), self._now()))
            return len(data)

    def copy_range(self, source: int, offset: int, target: int, length: int) -> int:
        with self._lock:
            if self._of(target).flags & os.O_APPEND:
                raise _error(errno.EBADF, self._of(target).path)
            return self.write(target, self.pread(source, length, offset))

    def drop_cached(self, handle: int, offset: int, length: int) -> None:  # noqa: ARG002 - there is no cache
        with self._lock:
            self._of(handle)

    def pread(self, handle: int, length: int, offset: int) -> bytes:
        with self._lock:
            opened = self._of(handle)
            if opened.flags & _ACCESS == os.O_WRONLY:
                raise _error(errno.EBADF, opened.path)
            if opened.number in self._volume.directories:
                raise _error(errno.EISDIR, opened.path)
            return bytes(self._volume.files[opened.number].content[offset : offset + length])

    def size(self, handle: int) -> int:
        with self._lock:
            found = self._volume.files.get(self._of(handle).number)
            return 4096 if found is None else len(found.content)

    def truncate(self, handle: int, size: int) -> None:
        with self._lock:
            opened = self._of(handle)
            if opened.flags & _ACCESS == os.O_RDONLY:
                raise _error(errno.EINVAL, opened.path)
            if size != len(self._volume.files[opened.number].content):
                self._do(Resized(opened.number, size, self._now()))

    def fsync(self, handle: int) -> None:
        self._flush("fsync", handle)

    def fdatasync(self, handle: int) -> None:
        self._flush("fdatasync", handle)

    def fsync_dir(self, path: Path) -> None:
        with self._lock:
            number = self._find(path)
            if number not in self._volume.directories:
                raise _error(errno.ENOTDIR, path)
            if not self._loses("fsync_dir", path):
                self._do(DirectoryFlushed(number))

    def sync_all(self, handle: int) -> None:
        with self._lock:
            if not self._loses("sync_all", self._of(handle).path):
                self._do(AllFlushed())

    def rename(self, source: Path, target: Path) -> None:
        with self._lock:
            from_parent, number = self._look(source)
            to_parent, there = self._look(target)
            if number is None:
                raise _error(errno.ENOENT, source)
            if there == number:
                return  # rename(2): two names of one file both stay
            if there is not None:
                self._check_replaced(there, number, target)
            self._do(Entered((Change(to_parent, target.name, number), Change(from_parent, source.name, None))))

    def link(self, source: Path, target: Path) -> None:
        with self._lock:
            number = self._find(source)
            parent, there = self._look(target)
            if there is not None:
                raise _error(errno.EEXIST, target)
            if number in self._volume.directories:
                raise _error(errno.EPERM, source)
            self._do(Entered((Change(parent, target.name, number),)))

    def lock(self, path: Path) -> int:
        with self._lock:
            number = self._find(path)
            if number not in self._volume.directories:
                raise _error(errno.ENOTDIR, path)
            if any(handle.locks and handle.number == number for handle in self._handles):
                raise _error(errno.EAGAIN, path)
            return self._handles.give(Handle(number, path, os.O_RDONLY | os.O_DIRECTORY, locks=True))

    def unlink(self, path: Path) -> None:
        with self._lock:
            parent, number = self._look(path)
            if number is None:
                raise _error(errno.ENOENT, path)
            if number in self._volume.directories:
                raise _error(errno.EISDIR, path)
            self._do(Entered((Change(parent, path.name, None),)))

    def mkdir(self, path: Path) -> None:
        with self._lock:
            parent, there = self._look(path)
            if there is not None:
                raise _error(errno.EEXIST, path)
            self._make(parent, path.name, directory=True)

    def names(self, path: Path) -> list[str]:
        with self._lock:
            number = self._find(path)
            if number not in self._volume.directories:
                raise _error(errno.ENOTDIR, path)
            return list(self._volume.directories[number].entries)

    def exists(self, path: Path) -> bool:
        with self._lock:
            try:
                return self._look(path)[1] is not None
            except FileNotFoundError:
                return False

    def modified(self, path: Path) -> float:
        with self._lock:
            found = self._volume.files.get(self._find(path))
            return 0.0 if found is None else found.modified

    def length(self, path: Path) -> int:
        with self._lock:
            found = self._volume.files.get(self._find(path))
            return 4096 if found is None else len(found.content)

    def usage(self, path: Path) -> Usage:
        with self._lock:
            self._find(path)
            return Usage(TOTAL_BYTES, TOTAL_BYTES - sum(len(file.content) for file in self._volume.files.values()))

    # How.

    def _other(self, volume: Volume) -> SimulatedDisk:
        made = SimulatedDisk.__new__(SimulatedDisk)
        made.top, made._loses, made._now, made._volume = self.top, self._loses, self._now, volume
        made._lock, made._handles = threading.RLock(), Handles()
        made._off, made._began, made._trace = False, None, []
        return made

    def _do(self, event: Event) -> None:
        with self._lock:
            self._check_on()
            self._volume.apply(event)
            if self._began is not None:
                self._trace.append(event)

    def _check_on(self) -> None:
        if self._off:
            raise OSError(errno.EIO, "this disk is another process's now")

    def _look(self, path: Path) -> tuple[int, int | None]:
        """The numbers of a path's directory, and of what it names there."""
        self._check_on()
        parent, number = ROOT, ROOT
        for place, part in enumerate(path.parts[1:], start=1):
            if number not in self._volume.directories:
                raise _error(errno.ENOTDIR, path)
            parent = number
            found = self._volume.directories[number].entries.get(part)
            if found is None:
                if place < len(path.parts) - 1:
                    raise _error(errno.ENOENT, path)
                return parent, None
            number = found
        return parent, number

    def _find(self, path: Path) -> int:
        number = self._look(path)[1]
        if number is None:
            raise _error(errno.ENOENT, path)
        return number

    def _make(self, parent: int, name: str, *, directory: bool) -> int:
        number = self._volume.next_number
        self._do(Made(number, directory, self._now()))
        self._do(Entered((Change(parent, name, number),)))
        return number

    def _of(self, handle: int) -> Handle:
        self._check_on()
        return self._handles.of(handle)

    def _flush(self, call: str, handle: int) -> None:
        with self._lock:
            opened = self._of(handle)
            if self._loses(call, opened.path):
                return
            directory = opened.number in self._volume.directories
            self._do(DirectoryFlushed(opened.number) if directory else FileFlushed(opened.number))

    def _check_replaced(self, there: int, number: int, target: Path) -> None:
        directories = self._volume.directories
        if there in directories:
            if number not in directories:
                raise _error(errno.EISDIR, target)
            if directories[there].entries:
                raise _error(errno.ENOTEMPTY, target)
        elif number in directories:
            raise _error(errno.ENOTDIR, target)


def _error(number: int, path: Path) -> OSError:
    return OSError(number, os.strerror(number), str(path))

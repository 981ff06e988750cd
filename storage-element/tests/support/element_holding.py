"""A filesystem on which what is logged stays out of its place for as long as a test wants."""

from __future__ import annotations

import threading
from pathlib import Path

from storage_element.disk.filesystem import RealFileSystem


class HoldingFileSystem(RealFileSystem):
    """Between `hold` and `release` no data and no record appears under files/: applying waits, and nothing else does.

    `waiting` is set once it does.
    """

    def __init__(self) -> None:
        self.waiting = threading.Event()
        self._go_on = threading.Event()
        self._go_on.set()

    def hold(self) -> None:
        self.waiting.clear()
        self._go_on.clear()

    def release(self) -> None:
        self._go_on.set()

    def mkdir(self, path: Path) -> None:
        self._wait_before(path)
        super().mkdir(path)

    def open(self, path: Path, flags: int) -> int:
        if flags & 3:  # to write
            self._wait_before(path)
        return super().open(path, flags)

    def link(self, source: Path, target: Path) -> None:
        self._wait_before(target)
        super().link(source, target)

    def rename(self, source: Path, target: Path) -> None:
        self._wait_before(target)
        super().rename(source, target)

    def unlink(self, path: Path) -> None:
        self._wait_before(path)
        super().unlink(path)

    def _wait_before(self, path: Path) -> None:
        if "files" in path.parts[-3:-1] and not self._go_on.is_set():
            self.waiting.set()
            if not self._go_on.wait(30):
                raise OSError("held for too long")

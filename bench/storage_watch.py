"""What a server costs while it is measured: CPU seconds and memory of all its processes, as /proc tells."""

from __future__ import annotations

import re
from contextlib import suppress
from pathlib import Path

import psutil

_HIGH_WATER = re.compile(r"^VmHWM:\s+(\d+) kB", re.MULTILINE)
_NOW = re.compile(r"^VmRSS:\s+(\d+) kB", re.MULTILINE)


class Watch:
    """One server's process and its children. Pages that two of them share count twice."""

    def __init__(self, pid: int) -> None:
        self._root = psutil.Process(pid)
        self._processes: list[psutil.Process] = []
        self._cpu = 0.0

    def begin(self) -> int:
        """From now on peaks and CPU seconds count. Gives the bytes that are held before.

        The kernel forgets the old peaks when it is told "5" (proc(5)).
        """
        # Anew each time: copyparty tries programs at its start, which have ended by now.
        self._processes = [self._root, *self._root.children(recursive=True)]
        for process in self._processes:
            with suppress(OSError):
                Path(f"/proc/{process.pid}/clear_refs").write_text("5")
        self._cpu = self._cpu_seconds()
        return sum(_status(process.pid, _NOW) for process in self._processes)

    def cpu_seconds(self) -> float:
        """User and system time since `begin`."""
        return self._cpu_seconds() - self._cpu

    def peak_bytes(self) -> int:
        return sum(_status(process.pid, _HIGH_WATER) for process in self._processes)

    def _cpu_seconds(self) -> float:
        total = 0.0
        for process in self._processes:
            with suppress(psutil.NoSuchProcess):
                times = process.cpu_times()
                total += times.user + times.system
        return total


def _status(pid: int, what: re.Pattern[str]) -> int:
    try:
        found = what.search(Path(f"/proc/{pid}/status").read_text())
    except OSError:
        return 0  # it has ended
    return int(found[1]) * 1024 if found else 0

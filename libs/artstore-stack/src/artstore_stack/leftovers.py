"""Processes of a stack whose supervisor was killed: found by the mark in their environment, and ended."""

from __future__ import annotations

import os
import signal
import time
from pathlib import Path

from artstore_stack.errors import StackError
from artstore_stack.supervisor import STACK_VARIABLE

_PROC = Path("/proc")


def find(root: Path) -> list[int]:
    """Pids of processes that belong to the stack in `root`. Linux only; elsewhere none are found."""
    mark = f"{STACK_VARIABLE}={root}".encode()
    return [pid for pid in _pids() if pid != os.getpid() and mark in _environment(pid)]


def end(root: Path, seconds: float = 20) -> int:
    """Ask leftovers to stop, then kill. Returns how many there were; raises StackError when some stay."""
    found = find(root)
    _send(found, signal.SIGINT)  # PostgreSQL's "fast" stop, and a graceful one for all the others
    if not wait_until_gone(root, seconds):
        _send(find(root), signal.SIGKILL)
        if not wait_until_gone(root, 5):
            raise StackError(f"processes {find(root)} of this stack do not end")
    return len(found)


def wait_until_gone(root: Path, seconds: float) -> bool:
    """Whether the last process of the stack ended within `seconds`."""
    deadline = time.monotonic() + seconds
    while find(root):
        if time.monotonic() > deadline:
            return False
        time.sleep(0.05)
    return True


def _send(pids: list[int], number: signal.Signals) -> None:
    for pid in pids:
        try:
            os.kill(pid, number)
        except ProcessLookupError:
            continue


def _pids() -> list[int]:
    if not _PROC.is_dir():
        return []
    return [int(entry.name) for entry in _PROC.iterdir() if entry.name.isdigit()]


def _environment(pid: int) -> list[bytes]:
    try:
        return (_PROC / str(pid) / "environ").read_bytes().split(b"\0")
    except OSError:
        return []  # ended meanwhile, or somebody else's

"""What is asked of Linux: a mount namespace, loop devices, mounts; and that nothing of it stays behind.

Everything is mounted in a mount namespace of this process's own, with loop devices that go with their last mount. So even
after a SIGKILL, when no line of clean-up runs, the kernel takes all of it away with the processes.
"""

from __future__ import annotations

import ctypes
import os
import shutil
import signal
import subprocess
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

_CLONE_NEWNS: Final = 0x00020000
_MS_REC, _MS_PRIVATE, _MNT_DETACH = 0x4000, 0x40000, 2
_PR_SET_PDEATHSIG: Final = 1
_libc = ctypes.CDLL(None, use_errno=True)
_TOOLS: Final = ("mkfs.ext4", "mount")
END_SECONDS: Final = 20.0


class Missing(Exception):
    """Something that this machine does not have, in words for whoever ran the command."""


def require() -> None:
    """Raises Missing where power cuts cannot be tried, with all that is missing."""
    missing = [f"the command {tool}" for tool in _TOOLS if shutil.which(tool, path=_path()) is None]
    if os.geteuid() != 0:
        missing.append("root")
    missing += [device for device in ("/dev/fuse", "/dev/loop-control") if not Path(device).exists()]
    try:
        import fuse  # noqa: F401
    except (ImportError, OSError):
        missing.append("libfuse 2 (Debian: libfuse2) with fusepy")
    if missing:
        raise Missing(", ".join(missing))


def private_mounts() -> None:
    """From here on, what this process and its children mount is seen by nobody else. Raises Missing."""
    if _libc.unshare(_CLONE_NEWNS) != 0 or _libc.mount(b"none", b"/", None, _MS_REC | _MS_PRIVATE, None) != 0:
        raise Missing(f"a mount namespace ({os.strerror(ctypes.get_errno())})")


def make_ext4(path: Path, size: int) -> None:
    """A sparse file with an empty ext4. Nothing is left for the kernel to finish later, in nobody's time."""
    with path.open("wb") as file:
        file.truncate(size)
    later = "nodiscard,lazy_itable_init=0,lazy_journal_init=0"
    _run("mkfs.ext4", "-q", "-F", "-i", "8192", "-E", later, str(path))


def copy_sparse(source: Path, target: Path) -> None:
    """Holes stay holes."""
    _run("cp", "--sparse=always", str(source), str(target))


@contextmanager
def mounted(disk: Path, point: Path) -> Iterator[Path]:
    """The ext4 on `disk`, through a loop device, with ext4's own defaults. Raises OSError when it cannot be mounted."""
    point.mkdir(exist_ok=True)
    _run("mount", "-t", "ext4", "-o", "loop", str(disk), str(point))
    try:
        yield point
    finally:
        unmount(point)


def unmount(point: Path) -> None:
    """At once where it is possible; else as soon as the last one who holds it is gone. Never raises."""
    if _libc.umount2(os.fsencode(point), 0) != 0:
        _libc.umount2(os.fsencode(point), _MNT_DETACH)


def die_with_parent() -> None:
    """Called in a child: it is killed when its parent ends in whatever way."""
    _libc.prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)


def end(child: int) -> None:
    """Waits until a child of ours has ended by itself; kills it when it does not."""
    killer = threading.Timer(END_SECONDS, os.kill, (child, signal.SIGKILL))
    killer.start()
    try:
        os.waitpid(child, 0)
    finally:
        killer.cancel()
        killer.join()


def _run(*command: str) -> None:
    done = subprocess.run(command, capture_output=True, text=True, env={**os.environ, "PATH": _path()}, check=False)
    if done.returncode != 0:
        raise OSError(f"{' '.join(command)}: {done.stderr.strip() or done.returncode}")


def _path() -> str:
    """An administrator's commands may not be on the way of whoever calls us."""
    return f"{os.environ.get('PATH', '/usr/bin:/bin')}:/usr/sbin:/sbin"

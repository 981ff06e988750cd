"""Where a worker keeps files while it converts them. What a worker left that was killed goes when another one starts."""

from __future__ import annotations

import fcntl
import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Final

_PREFIX: Final = "artstore-render-"
_LOCK: Final = "in-use"


@contextmanager
def workplace(parent: Path | None) -> Iterator[Path]:
    """A directory of its own below `parent` (None: the system's temporary directory), gone at the end.

    It holds a lock (flock(2)) that ends with the process, however that dies: a directory without is nobody's.
    """
    above = Path(tempfile.gettempdir()) if parent is None else parent
    _sweep(above)
    place = Path(tempfile.mkdtemp(prefix=_PREFIX, dir=above))
    lock = os.open(place / _LOCK, os.O_CREAT | os.O_RDWR | os.O_CLOEXEC, 0o600)
    try:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield place
    finally:
        shutil.rmtree(place, ignore_errors=True)
        os.close(lock)


def _sweep(above: Path) -> None:
    for place in above.glob(f"{_PREFIX}*"):
        # One that has no lock yet is just being made.
        with suppress(OSError):
            lock = os.open(place / _LOCK, os.O_RDWR | os.O_CLOEXEC | os.O_NOFOLLOW)
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
                shutil.rmtree(place, ignore_errors=True)
            finally:
                os.close(lock)

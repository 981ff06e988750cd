"""Whether an index could grow: asked after SQLite could not write, and does not say why."""

from __future__ import annotations

import os
from contextlib import suppress
from pathlib import Path
from typing import Final

from storage_element.disk.failures import FULL
from storage_element.disk.index.schema import wal_of

_BYTES: Final = 64 * 1024


def is_full(path: Path | None) -> bool:
    """Tries to write what SQLite would: some bytes at the end of a file as long as the index's own, beside it. False
    for any other failure, and for an index in memory."""
    if path is None:
        return False
    probe = path.with_name(f"{path.name}-probe")
    try:
        handle = os.open(probe, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o640)
        try:
            end = max(_length(path), _length(wal_of(path)))
            return os.pwrite(handle, bytes(_BYTES), end) < _BYTES
        finally:
            os.close(handle)
    except OSError as error:
        return error.errno in FULL
    finally:
        with suppress(OSError):
            probe.unlink()


def _length(path: Path) -> int:
    try:
        return path.stat().st_size
    except FileNotFoundError:
        return 0

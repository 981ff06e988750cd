"""What the machine can do by itself, measured in the same run: no server can be faster than its disk and its cores."""

from __future__ import annotations

import hashlib
import os
import platform
import statistics
import time
from pathlib import Path

MIB = 1024**2
BIG_MIB = 512


def describe(directory: Path) -> dict[str, str]:
    """Cores, disk and hash: name → what was found."""
    return {
        "machine": f"{os.cpu_count()} cores, Linux {platform.release()}, Python {platform.python_version()}",
        "disk": f"4 KiB and fdatasync {_flush_ms(directory):.2f} ms (median of 200); "
        f"{BIG_MIB} MiB and fsync at {_write_rate(directory) / 1e6:.0f} MB/s",
        "SHA-256": f"{_hash_rate() / 1e6:.0f} MB/s on one core",
    }


def _flush_ms(directory: Path) -> float:
    path, times = directory / "flush", []
    handle = os.open(path, os.O_WRONLY | os.O_CREAT)
    for _ in range(200):
        started = time.perf_counter()
        os.write(handle, bytes(4096))
        os.fdatasync(handle)
        times.append(time.perf_counter() - started)
    os.close(handle)
    path.unlink()
    return statistics.median(times) * 1e3


def _write_rate(directory: Path) -> float:
    path, piece = directory / "write", os.urandom(MIB)
    started = time.perf_counter()
    with path.open("wb", buffering=0) as file:
        for _ in range(BIG_MIB):
            file.write(piece)
        os.fsync(file.fileno())
    seconds = time.perf_counter() - started
    path.unlink()
    return BIG_MIB * MIB / seconds


def _hash_rate() -> float:
    piece, running = os.urandom(MIB), hashlib.sha256()
    started = time.perf_counter()
    for _ in range(BIG_MIB // 2):
        running.update(piece)
    return BIG_MIB // 2 * MIB / (time.perf_counter() - started)

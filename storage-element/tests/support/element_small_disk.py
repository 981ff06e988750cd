"""A real filesystem of 64 MiB for a test to fill, and somebody else who fills it."""

from __future__ import annotations

import errno
import os
import subprocess
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Final, Self

import pytest

MIB: Final = 1024 * 1024
SIZE: Final = 64 * MIB


@contextmanager
def small_disk(directory: Path) -> Iterator[Path]:
    """ext4 on a loop device, as elements have it; where that may not be mounted, tmpfs; without root, tmpfs in a
    namespace of its own.

    Where none of them can be had the test fails, and says so. Nothing else can stand in: a limit on the size of files
    (RLIMIT_FSIZE) is no full disk. The room that the system tells of does not become less, and SQLite takes EFBIG for
    a broken disk.
    """
    at, image, said = directory / "small", directory / "small.img", list[str]()
    at.mkdir()
    with image.open("wb") as file:
        file.truncate(SIZE)
    ext4 = [["mkfs.ext4", "-q", "-m", "0", str(image)], ["mount", "-o", "loop", str(image), str(at)]]
    tmpfs = [["mount", "-t", "tmpfs", "-o", f"size={SIZE}", "none", str(at)]]
    if any(all(_done(step, said) for step in steps) for steps in (ext4, tmpfs)):
        try:
            yield at
        finally:
            subprocess.run(["umount", at], check=True)
        return
    with _namespace(at, said) as seen:
        yield seen


def _done(command: Sequence[str], said: list[str]) -> bool:
    try:
        ended = subprocess.run(command, capture_output=True, text=True, check=False)
    except FileNotFoundError as error:
        said.append(str(error))
        return False
    said.append(ended.stderr.strip())
    return ended.returncode == 0


@contextmanager
def _namespace(at: Path, said: list[str]) -> Iterator[Path]:
    """What is mounted there is seen by everybody, through the process that holds it."""
    script = f'mount -t tmpfs -o size={SIZE} none "$0" && echo mounted && exec cat'
    command = ["unshare", "--user", "--map-root-user", "--mount", "sh", "-c", script, str(at)]
    with subprocess.Popen(
        command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as holder:
        assert holder.stdin is not None
        assert holder.stdout is not None
        assert holder.stderr is not None
        try:
            if holder.stdout.readline() != "mounted\n":
                said.append(holder.stderr.read().strip())
                pytest.skip(f"no small filesystem can be made here, neither by root nor in a namespace: {said}")
            yield Path(f"/proc/{holder.pid}/root{at}")
        finally:
            holder.stdin.close()


@contextmanager
def filled(disk: Path) -> Iterator[None]:
    """Somebody took every byte there was, and takes no more."""
    path = disk / "filler"
    handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND)
    try:
        for size in (MIB, 4096, 1):
            _write_until_full(handle, bytes(size), threading.Event())
        yield
    finally:
        os.close(handle)
        path.unlink()


class Stranger:
    """Another program on the same disk: it takes every byte there is, and each one that becomes free, until it goes."""

    def __init__(self, disk: Path) -> None:
        self._path = disk / "stranger"
        self._full, self._go = threading.Event(), threading.Event()
        self._thread = threading.Thread(target=self._take)

    def __enter__(self) -> Self:
        """When this returns, the disk is full."""
        self._thread.start()
        assert self._full.wait(30)
        return self

    def __exit__(self, *_: object) -> None:
        self._go.set()
        self._thread.join()
        self._path.unlink()

    def _take(self) -> None:
        handle = os.open(self._path, os.O_WRONLY | os.O_CREAT | os.O_APPEND)
        try:
            while True:
                for size in (MIB, 4096, 1):
                    _write_until_full(handle, bytes(size), self._go)
                self._full.set()
                if self._go.wait(0.005):
                    return
        finally:
            os.close(handle)


def _write_until_full(handle: int, piece: bytes, stop: threading.Event) -> None:
    try:
        while not stop.is_set():
            os.write(handle, piece)
    except OSError as error:
        if error.errno != errno.ENOSPC:
            raise

"""A writer's file: closed once, copied into by whatever means there are, its hash of just what it holds."""

from __future__ import annotations

import errno
import os
from concurrent.futures import ThreadPoolExecutor
from hashlib import sha256
from pathlib import Path

import pytest
from artstore_core.errors import StorageFull, StorageUnavailable
from storage_element.disk.durable import Durable
from storage_element.disk.filesystem import READ, RealFileSystem
from storage_element.disk.writer import RunningHash, Writer


class Counting(RealFileSystem):
    def __init__(self) -> None:
        self.closed: list[int] = []

    def close(self, handle: int) -> None:
        self.closed.append(handle)
        super().close(handle)


def test_writer_is_closed_once_however_often_and_from_wherever(tmp_path: Path) -> None:
    """By the second time its number may be another file's."""
    filesystem = Counting()
    writer = Writer.create(filesystem, Durable(filesystem), tmp_path / "x")
    with ThreadPoolExecutor(4) as pool:
        list(pool.map(lambda _: writer.close(), range(20)))
    assert len(filesystem.closed) == 1


class Refusing(RealFileSystem):
    """Cannot copy inside the kernel, or only some bytes at a time."""

    def __init__(self, number: int, after: int = 0) -> None:
        self.number, self.left = number, after

    def copy_range(self, source: int, offset: int, target: int, length: int) -> int:
        if not self.left:
            raise OSError(self.number, os.strerror(self.number))
        self.left -= 1
        return super().copy_range(source, offset, target, min(length, 1000))


DATA = os.urandom(2_500_000)


def copied(filesystem: RealFileSystem, tmp_path: Path, *, length: int = len(DATA)) -> Writer:
    (tmp_path / "source").write_bytes(DATA)
    (tmp_path / "target").write_bytes(b"what was there before")
    source = filesystem.open(tmp_path / "source", READ)
    writer = Writer.restart(filesystem, Durable(filesystem), tmp_path / "target")
    try:
        writer.copy_from(source, 0, 1_000_000)
        writer.copy_from(source, 1_000_000, length - 1_000_000)
    finally:
        filesystem.close(source)
        writer.close()
    return writer


@pytest.mark.parametrize("number", [errno.EXDEV, errno.EINVAL, errno.ENOSYS, errno.EOPNOTSUPP])
@pytest.mark.parametrize("after", [0, 3], ids=["from the first byte", "in the middle"])
def test_what_the_kernel_cannot_copy_is_read_and_written(tmp_path: Path, number: int, after: int) -> None:
    writer = copied(Refusing(number, after), tmp_path)
    assert (tmp_path / "target").read_bytes() == DATA
    assert (writer.size, writer.checksum()) == (len(DATA), sha256(DATA).hexdigest())


def test_other_errors_of_a_copy_are_told(tmp_path: Path) -> None:
    for number, error in ((errno.ENOSPC, StorageFull), (errno.EIO, StorageUnavailable)):
        with pytest.raises(error):
            copied(Refusing(number, 2), tmp_path)
        assert (tmp_path / "target").read_bytes() == DATA[:2000]


def test_source_that_ends_too_early_is_told(tmp_path: Path) -> None:
    for filesystem in (RealFileSystem(), Refusing(errno.ENOSYS)):
        with pytest.raises(StorageUnavailable):
            copied(filesystem, tmp_path, length=len(DATA) + 1)


def test_hash_follows_the_copy_from_where_it_is(tmp_path: Path) -> None:
    filesystem = Counting()
    (tmp_path / "source").write_bytes(DATA)
    (tmp_path / "target").touch()
    source = filesystem.open(tmp_path / "source", READ)
    writer = Writer.restart(filesystem, Durable(filesystem), tmp_path / "target")
    writer.copy_from(source, 0, 2_000_000)
    writer.hash_on(1_500_000)
    writer.copy_from(source, 2_000_000, 500_000)
    writer.write(b"and more")  # what is written behind a gap in the hash is read back with the rest
    known = writer.running()
    assert known.size == 1_500_000
    writer.close()
    resumed = Writer.resume(filesystem, Durable(filesystem), tmp_path / "target", known)
    assert resumed.checksum() == sha256(DATA + b"and more").hexdigest()
    resumed.write(b"!")
    assert resumed.checksum() == sha256(DATA + b"and more!").hexdigest()
    resumed.take_back()
    assert resumed.checksum() == sha256(DATA + b"and more").hexdigest()
    resumed.close()
    filesystem.close(source)


def test_hash_of_more_than_there_is_is_not_believed(tmp_path: Path) -> None:
    filesystem = RealFileSystem()
    (tmp_path / "x").write_bytes(b"hel")
    known = RunningHash(sha256(b"hello"), 5)  # the disk came back with less
    writer = Writer.resume(filesystem, Durable(filesystem), tmp_path / "x", known)
    assert writer.checksum() == sha256(b"hel").hexdigest()
    writer.close()

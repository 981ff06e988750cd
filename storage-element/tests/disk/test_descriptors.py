"""A process that has no descriptor left has flushed nothing, and so no flush has failed: it goes on when there are some."""

from __future__ import annotations

import errno
import os
import resource
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path

import pytest
from artstore_core.errors import StorageUnavailable
from element_faults import FailingFileSystem
from element_roots import ONE, Root, change, file_id, put
from storage_element.disk.durable import Durable
from storage_element.disk.filesystem import NotOpened, RealFileSystem
from storage_element.store.changes import ChangeKind

NONE_LEFT = [errno.EMFILE, errno.ENFILE]


@pytest.fixture
def filesystem() -> FailingFileSystem:
    return FailingFileSystem()


@pytest.fixture
def root(tmp_path: Path, filesystem: FailingFileSystem) -> Iterator[Root]:
    made = Root(tmp_path / "root", filesystem)
    made.open()
    made.append(put())
    yield made
    made.close()


@contextmanager
def no_descriptors() -> Iterator[None]:
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    free = os.dup(0)
    os.close(free)
    resource.setrlimit(resource.RLIMIT_NOFILE, (free, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


def test_directory_that_cannot_be_opened_was_not_flushed_in_vain(tmp_path: Path) -> None:
    durable = Durable(RealFileSystem())
    with no_descriptors(), pytest.raises(StorageUnavailable):
        durable.directory(tmp_path)
    assert not durable.failed
    durable.directory(tmp_path)


class OutOfMemory(RealFileSystem):
    def __init__(self, error: OSError) -> None:
        self._error = error

    def fsync_dir(self, path: Path) -> None:  # noqa: ARG002 - it fails at any
        raise self._error


def test_flush_that_had_no_memory_has_failed_and_an_opening_has_not(tmp_path: Path) -> None:
    for error, failed in ((NotOpened(errno.ENOMEM, "opening"), False), (OSError(errno.ENOMEM, "flushing"), True)):
        durable = Durable(OutOfMemory(error))
        with pytest.raises(StorageUnavailable):
            durable.directory(tmp_path)
        assert durable.failed is failed


@pytest.mark.parametrize("error", NONE_LEFT)
def test_large_file_is_refused_and_the_next_one_taken(root: Root, filesystem: FailingFileSystem, error: int) -> None:
    filesystem.fail(on=["fsync_dir"], error=error)
    with pytest.raises(StorageUnavailable):
        root.stage(number=file_id(1))
    assert not root.disk.failed
    root.perform(root.stage(number=file_id(1)))


@pytest.mark.parametrize("error", [*NONE_LEFT, errno.ENOMEM])
def test_segment_that_cannot_be_opened_leaves_the_old_one_in_use(
    root: Root, filesystem: FailingFileSystem, error: int
) -> None:
    filesystem.fail(on=["open"], error=error)
    with pytest.raises(StorageUnavailable):
        root.disk.rotate_log()
    assert not root.disk.failed
    goes_on_and_is_whole(root)


@pytest.mark.parametrize("error", NONE_LEFT)
def test_segment_whose_name_cannot_be_flushed_is_taken_back(
    root: Root, filesystem: FailingFileSystem, error: int
) -> None:
    """Were it left, the log would seem to be damaged: the old segment goes on past where the new one begins."""
    filesystem.fail(on=["fsync_dir"], error=error)
    with pytest.raises(StorageUnavailable):
        root.disk.rotate_log()
    assert len(root.segments()) == 1
    goes_on_and_is_whole(root)


def goes_on_and_is_whole(root: Root) -> None:
    root.append(put(file_id(1)))
    root.disk.rotate_log()
    root.append(change(ChangeKind.SET, revision=2))
    root.again()
    assert root.listed() == [ONE, file_id(1)]
    assert root.disk.attributes(ONE).revision == 2


@pytest.mark.parametrize("kind", ["unlink", "fsync_dir"])
def test_segment_that_cannot_be_taken_back_ends_writing(root: Root, filesystem: FailingFileSystem, kind: str) -> None:
    if kind == "unlink":
        filesystem.fail(on=["unlink", "fsync"], for_ever=True)
    else:
        filesystem.fail(on=["fsync_dir"], error=errno.EMFILE, for_ever=True)
    with pytest.raises(StorageUnavailable):
        root.disk.rotate_log()
    assert root.disk.failed
    with pytest.raises(StorageUnavailable):
        root.append(put(file_id(1)))
    root.again()
    assert root.listed() == [ONE]


def test_segment_that_is_gone_and_not_flushed_is_dropped_again(root: Root, filesystem: FailingFileSystem) -> None:
    root.disk.rotate_log()
    filesystem.fail(on=["fsync_dir"], error=errno.EMFILE)
    with pytest.raises(StorageUnavailable):
        root.disk.drop_log()
    root.disk.drop_log()
    assert root.disk.log_segments == len(root.segments()) == 1


def test_failed_write_of_a_segment_still_ends_writing(root: Root, filesystem: FailingFileSystem) -> None:
    filesystem.fail(on=["write"], error=errno.ENOMEM)
    with pytest.raises(StorageUnavailable):
        root.disk.rotate_log()
    assert root.disk.failed


class OneBadFlush(RealFileSystem):
    """Of a directory: the first one waits until it is told to fail, all others succeed, as they do after a failed one."""

    def __init__(self) -> None:
        self.begun, self.fail = threading.Event(), threading.Event()
        self.flushes = 0

    def fsync_dir(self, path: Path) -> None:  # noqa: ARG002 - it fails at any
        self.flushes += 1
        if self.flushes == 1:
            self.begun.set()
            assert self.fail.wait(20)
            raise OSError(errno.EIO, "flushing")


def test_who_waits_for_a_flush_that_fails_does_not_try_it_again(tmp_path: Path) -> None:
    filesystem, told = OneBadFlush(), list[str]()
    durable = Durable(filesystem, told.append)
    with ThreadPoolExecutor(2) as threads:
        first = threads.submit(durable.directory, tmp_path)
        assert filesystem.begun.wait(20)
        second = threads.submit(durable.directory, tmp_path)
        turns = durable._turns(tmp_path)
        while turns._asked < 2:
            time.sleep(0.001)
        filesystem.fail.set()
        for flush in (first, second):
            with pytest.raises(StorageUnavailable):
                flush.result(20)
    assert (filesystem.flushes, told) == (1, ["[Errno 5] flushing"])

"""The simulated disk does what the operating system does: one suite for both, and random calls on both at once."""

from __future__ import annotations

import errno
import os
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import pytest
from element_disks import SimulatedDisk
from element_faults import CountingFileSystem, FailingFileSystem, KillingFileSystem
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from storage_element.disk.filesystem import (
    APPEND,
    CREATE,
    READ,
    CopiesRanges,
    DropsCache,
    FileSystem,
    RealFileSystem,
)

MAKERS: dict[str, Callable[[Path], FileSystem]] = {
    "real": lambda _: RealFileSystem(),
    "simulated": SimulatedDisk,
    "counting": lambda _: CountingFileSystem(),
    "failing": lambda _: FailingFileSystem(),
    "killing": lambda top: KillingFileSystem(SimulatedDisk(top)),
}

REWRITE = os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC


@pytest.fixture(params=list(MAKERS))
def disk(request: pytest.FixtureRequest, tmp_path: Path) -> FileSystem:
    return MAKERS[request.param](tmp_path)


def put(disk: FileSystem, path: Path, data: bytes, flags: int = CREATE) -> None:
    handle = disk.open(path, flags)
    assert disk.write(handle, data) == len(data)
    disk.close(handle)


def get(disk: FileSystem, path: Path) -> bytes:
    handle = disk.open(path, READ)
    content = disk.pread(handle, disk.size(handle) + 1, 0)
    disk.close(handle)
    return content


def test_what_is_written_is_read(disk: FileSystem, tmp_path: Path) -> None:
    path = tmp_path / "a"
    handle = disk.open(path, CREATE)
    assert disk.write(handle, b"hello") == 5
    assert disk.write(handle, memoryview(b" world")) == 6
    assert disk.size(handle) == 11
    disk.fsync(handle)
    disk.fdatasync(handle)
    disk.close(handle)
    assert get(disk, path) == b"hello world"
    reader = disk.open(path, READ)
    assert disk.pread(reader, 3, 4) == b"o w"
    assert disk.pread(reader, 3, 10) == b"d"
    assert disk.pread(reader, 3, 100) == b""
    disk.close(reader)


def test_opening(disk: FileSystem, tmp_path: Path) -> None:
    path = tmp_path / "a"
    with pytest.raises(FileNotFoundError):
        disk.open(path, READ)
    with pytest.raises(FileNotFoundError):
        disk.open(path, APPEND)
    put(disk, path, b"one")
    with pytest.raises(FileExistsError):
        disk.open(path, CREATE)
    put(disk, path, b" two", APPEND)
    assert get(disk, path) == b"one two"
    put(disk, path, b"3", REWRITE)
    assert get(disk, path) == b"3"
    with pytest.raises(NotADirectoryError):
        disk.open(path / "b", READ)
    with pytest.raises(IsADirectoryError):
        disk.open(tmp_path, APPEND)
    directory = disk.open(tmp_path, READ)
    with pytest.raises(IsADirectoryError):
        disk.pread(directory, 1, 0)
    disk.close(directory)


def test_handles(disk: FileSystem, tmp_path: Path) -> None:
    put(disk, tmp_path / "a", b"x")
    reader = disk.open(tmp_path / "a", READ)
    with pytest.raises(OSError, check=lambda error: error.errno == errno.EBADF):
        disk.write(reader, b"y")
    disk.close(reader)
    with pytest.raises(OSError, check=lambda error: error.errno == errno.EBADF):
        disk.close(reader)
    writer = disk.open(tmp_path / "a", APPEND)
    with pytest.raises(OSError, check=lambda error: error.errno == errno.EBADF):
        disk.pread(writer, 1, 0)
    disk.close(writer)


def test_cutting_and_stretching(disk: FileSystem, tmp_path: Path) -> None:
    put(disk, tmp_path / "a", b"0123456789")
    handle = disk.open(tmp_path / "a", APPEND)
    disk.truncate(handle, 4)
    disk.write(handle, b"x")
    disk.truncate(handle, 8)
    disk.close(handle)
    assert get(disk, tmp_path / "a") == b"0123x\0\0\0"


def test_write_goes_where_the_handle_stands(disk: FileSystem, tmp_path: Path) -> None:
    handle = disk.open(tmp_path / "a", CREATE)
    disk.write(handle, b"0123456789")
    disk.truncate(handle, 4)
    disk.write(handle, b"x")
    disk.close(handle)
    assert get(disk, tmp_path / "a") == b"0123\0\0\0\0\0\0x"


def test_copying_within_the_disk(disk: FileSystem, tmp_path: Path) -> None:
    assert isinstance(disk, CopiesRanges)
    put(disk, tmp_path / "a", b"0123456789")
    source, target = disk.open(tmp_path / "a", READ), disk.open(tmp_path / "b", CREATE)
    disk.write(target, b"<")
    assert disk.copy_range(source, 2, target, 4) == 4
    assert disk.copy_range(source, 8, target, 100) == 2
    assert disk.copy_range(source, 10, target, 100) == 0
    disk.close(target)
    assert get(disk, tmp_path / "b") == b"<234589"
    appending = disk.open(tmp_path / "b", APPEND)
    with pytest.raises(OSError, check=lambda error: error.errno == errno.EBADF):
        disk.copy_range(source, 0, appending, 1)
    disk.close(appending)
    assert isinstance(disk, DropsCache)
    disk.drop_cached(source, 0, 10)
    disk.close(source)


def test_file_outlives_its_name(disk: FileSystem, tmp_path: Path) -> None:
    put(disk, tmp_path / "a", b"bytes")
    reader = disk.open(tmp_path / "a", READ)
    disk.unlink(tmp_path / "a")
    put(disk, tmp_path / "a", b"other")
    assert disk.pread(reader, 10, 0) == b"bytes"
    disk.close(reader)


def test_renaming(disk: FileSystem, tmp_path: Path) -> None:
    for name in ("a", "b"):
        disk.mkdir(tmp_path / name)
    put(disk, tmp_path / "a" / "x", b"1")
    put(disk, tmp_path / "b" / "y", b"2")
    disk.rename(tmp_path / "a" / "x", tmp_path / "b" / "y")
    assert (disk.names(tmp_path / "a"), disk.names(tmp_path / "b")) == ([], ["y"])
    assert get(disk, tmp_path / "b" / "y") == b"1"
    with pytest.raises(FileNotFoundError):
        disk.rename(tmp_path / "a" / "x", tmp_path / "b" / "z")
    with pytest.raises(FileNotFoundError):
        disk.rename(tmp_path / "b" / "y", tmp_path / "c" / "y")
    with pytest.raises(IsADirectoryError):
        disk.rename(tmp_path / "b" / "y", tmp_path / "a")
    disk.rename(tmp_path / "b", tmp_path / "c")
    assert get(disk, tmp_path / "c" / "y") == b"1"


def test_renaming_one_name_of_a_file_to_another_keeps_both(disk: FileSystem, tmp_path: Path) -> None:
    put(disk, tmp_path / "a", b"1")
    disk.link(tmp_path / "a", tmp_path / "b")
    disk.rename(tmp_path / "a", tmp_path / "b")
    assert sorted(disk.names(tmp_path)) == ["a", "b"]


def test_linking(disk: FileSystem, tmp_path: Path) -> None:
    put(disk, tmp_path / "a", b"1")
    disk.link(tmp_path / "a", tmp_path / "b")
    put(disk, tmp_path / "b", b"2", APPEND)
    assert get(disk, tmp_path / "a") == b"12"
    with pytest.raises(FileExistsError):
        disk.link(tmp_path / "a", tmp_path / "b")
    with pytest.raises(FileNotFoundError):
        disk.link(tmp_path / "c", tmp_path / "d")
    disk.unlink(tmp_path / "a")
    assert get(disk, tmp_path / "b") == b"12"


def test_directories(disk: FileSystem, tmp_path: Path) -> None:
    disk.mkdir(tmp_path / "d")
    with pytest.raises(FileExistsError):
        disk.mkdir(tmp_path / "d")
    with pytest.raises(FileNotFoundError):
        disk.mkdir(tmp_path / "e" / "f")
    with pytest.raises(IsADirectoryError):
        disk.unlink(tmp_path / "d")
    with pytest.raises(FileNotFoundError):
        disk.unlink(tmp_path / "d" / "x")
    put(disk, tmp_path / "d" / "x", b"")
    with pytest.raises(NotADirectoryError):
        disk.names(tmp_path / "d" / "x")
    with pytest.raises(FileNotFoundError):
        disk.names(tmp_path / "e")
    with pytest.raises(NotADirectoryError):
        disk.fsync_dir(tmp_path / "d" / "x")
    disk.fsync_dir(tmp_path / "d")
    assert [disk.exists(tmp_path / name) for name in ("d", "d/x", "d/y", "e/f")] == [True, True, False, False]
    with pytest.raises(NotADirectoryError):
        disk.exists(tmp_path / "d" / "x" / "y")


def test_lock_is_one_holders(disk: FileSystem, tmp_path: Path) -> None:
    held = disk.lock(tmp_path)
    with pytest.raises(BlockingIOError):
        disk.lock(tmp_path)
    disk.sync_all(held)
    disk.close(held)
    disk.close(disk.lock(tmp_path))


def test_figures(disk: FileSystem, tmp_path: Path) -> None:
    put(disk, tmp_path / "a", b"1")
    first = disk.modified(tmp_path / "a")
    put(disk, tmp_path / "a", b"2", APPEND)
    assert disk.modified(tmp_path / "a") >= first > 1_600_000_000
    with pytest.raises(FileNotFoundError):
        disk.modified(tmp_path / "b")
    assert disk.length(tmp_path / "a") == 2
    with pytest.raises(FileNotFoundError):
        disk.length(tmp_path / "b")
    usage = disk.usage(tmp_path)
    assert 0 < usage.free <= usage.total


NAMES = st.sampled_from(["a", "b", "d/a", "d/b", "d", "e", "e/a"])
OPENED = st.integers(0, 3)
DATA = st.binary(max_size=1500)
CALLS = st.one_of(
    st.tuples(st.just("open"), NAMES, st.sampled_from([READ, CREATE, APPEND, REWRITE, os.O_RDWR | os.O_CREAT])),
    st.tuples(st.just("close"), OPENED),
    st.tuples(st.just("write"), OPENED, DATA),
    st.tuples(st.just("pread"), OPENED, st.integers(0, 2000), st.integers(0, 2000)),
    st.tuples(st.just("size"), OPENED),
    st.tuples(st.just("copy_range"), OPENED, st.integers(0, 2000), OPENED, st.integers(0, 2000)),
    st.tuples(st.just("truncate"), OPENED, st.integers(0, 3000)),
    st.tuples(st.sampled_from(["fsync", "fdatasync"]), OPENED),
    st.tuples(st.sampled_from(["rename", "link"]), NAMES, NAMES),
    st.tuples(st.sampled_from(["unlink", "mkdir", "names", "exists", "length", "fsync_dir"]), NAMES),
)


@dataclass
class Driven:
    """A filesystem under random calls; handles are told by the order in which they were opened."""

    disk: FileSystem
    top: Path
    handles: list[int] = field(default_factory=list)

    def do(self, call: tuple[Any, ...]) -> object:
        name, *given = call
        if name in ("close", "write", "pread", "size", "truncate", "fsync", "fdatasync", "copy_range"):
            places = [0, 2] if name == "copy_range" else [0]
            if any(given[place] >= len(self.handles) for place in places):
                return None
            for place in places:
                given[place] = self.handles[given[place]]
        paths = [self.top / part if isinstance(part, str) else part for part in given]
        try:
            result = getattr(self.disk, name)(*paths)
        except OSError as error:
            return error.errno
        if name == "open":
            self.handles.append(result)
            return "opened"
        if name == "close":
            self.handles.remove(given[0])
        if name in ("size", "length") and result == 4096:
            return "a directory"  # their sizes are the filesystem's own affair
        return sorted(result) if name == "names" else result

    def close(self) -> None:
        for handle in self.handles:
            self.disk.close(handle)


@settings(max_examples=300, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(st.lists(CALLS, max_size=30))
def test_random_calls_have_the_same_results(calls: list[tuple[Any, ...]]) -> None:
    with TemporaryDirectory() as directory:
        real = Driven(RealFileSystem(), Path(directory))
        simulated = Driven(SimulatedDisk(Path(directory)), Path(directory))
        for number, call in enumerate([("mkdir", "d"), *calls]):
            if call[0] == "rename" and (call[1].startswith(f"{call[2]}/") or call[2].startswith(f"{call[1]}/")):
                continue  # a directory into itself: nobody does that
            assert real.do(call) == simulated.do(call), f"call {number}"
        found = {
            str(path.relative_to(directory)): None if path.is_dir() else path.read_bytes()
            for path in Path(directory).rglob("*")
        }
        assert isinstance(simulated.disk, SimulatedDisk)
        assert simulated.disk.tree() == found
        real.close()

"""The filesystems that fail, count and kill do so at the call that they were told of, and nowhere else."""

from __future__ import annotations

import errno
import os
import signal
from pathlib import Path

import pytest
from element_disks import SimulatedDisk
from element_faults import READS, CountingFileSystem, FailingFileSystem, Interposed, KillingFileSystem, Moment
from storage_element.disk.filesystem import CREATE, READ, CopiesRanges, DropsCache, FileSystem

TOP = Path("/disk")


def work(disk: FileSystem, top: Path) -> None:
    handle = disk.open(top / "a", CREATE)
    try:
        for _ in range(3):
            disk.write(handle, b"0123456789")
        disk.fsync(handle)
    finally:
        disk.close(handle)
    disk.rename(top / "a", top / "b")
    disk.fsync_dir(top)


def test_every_call_of_the_protocol_passes_through() -> None:
    protocols = (FileSystem, CopiesRanges, DropsCache)
    asked = {name for protocol in protocols for name in vars(protocol) if not name.startswith("_")}
    assert asked <= set(vars(Interposed))
    assert asked <= set(vars(SimulatedDisk))


def test_counting() -> None:
    disk = CountingFileSystem(SimulatedDisk(TOP), ignoring=READS)
    disk.names(TOP)
    work(disk, TOP)
    assert disk.log == ["open a", *["write a"] * 3, "fsync a", "close a", "rename a b", "fsync_dir disk"]
    assert disk.calls == len(disk.log)


def test_failing_at_a_call_of_any_kind() -> None:
    for number in range(1, 8):
        disk = FailingFileSystem(SimulatedDisk(TOP))
        disk.fail(number)
        with pytest.raises(OSError, match="injected"):
            work(disk, TOP)
        assert len([step for step in disk.log if not step.startswith("close")]) == number - 1
        assert disk.failures == 1


def test_failing_at_a_call_of_some_kinds() -> None:
    disk = FailingFileSystem(SimulatedDisk(TOP))
    disk.fail(2, on=["write", "rename"], error=errno.ENOSPC)
    with pytest.raises(OSError, check=lambda error: error.errno == errno.ENOSPC):
        work(disk, TOP)
    assert disk.log == ["open a", "write a"]
    disk.unlink(TOP / "a")
    work(disk, TOP)  # once, and not again


def test_failing_for_ever_until_it_is_mended() -> None:
    disk = FailingFileSystem(SimulatedDisk(TOP))
    disk.fail(on=["fsync_dir"], for_ever=True)
    for _ in range(3):
        with pytest.raises(OSError, match="injected"):
            disk.fsync_dir(TOP)
    disk.mend()
    disk.fsync_dir(TOP)
    assert disk.failures == 3


def test_short_writes() -> None:
    disk = FailingFileSystem(SimulatedDisk(TOP), most_per_write=4)
    assert disk.write(disk.open(TOP / "a", CREATE), b"0123456789") == 4


@pytest.mark.parametrize(
    ("moment", "number", "left"),
    [
        (Moment.BEFORE, 3, {"a": b"0123456789"}),
        (Moment.MIDWAY, 3, {"a": b"012345678901234"}),
        (Moment.AFTER, 3, {"a": b"0123456789" * 2}),
        (Moment.MIDWAY, 7, {"a": b"0123456789" * 3}),
        (Moment.AFTER, 7, {"b": b"0123456789" * 3}),
        (Moment.BEFORE, 9, {"b": b"0123456789" * 3}),
    ],
)
def test_killing(tmp_path: Path, moment: Moment, number: int, left: dict[str, bytes]) -> None:
    reader, writer = os.pipe()
    child = os.fork()
    if child == 0:
        disk = KillingFileSystem()
        disk.open(tmp_path, READ)  # before it is armed, nothing counts
        disk.arm(number, moment)
        work(disk, tmp_path)
        os.write(writer, b"unharmed")
        os._exit(0)
    os.close(writer)
    said, (_, status) = os.read(reader, 100), os.waitpid(child, 0)
    os.close(reader)
    assert os.WIFSIGNALED(status) == (number < 9)
    assert (said == b"unharmed") == (number == 9)
    if number < 9:
        assert os.WTERMSIG(status) == signal.SIGKILL
    assert {path.name: path.read_bytes() for path in tmp_path.iterdir()} == left

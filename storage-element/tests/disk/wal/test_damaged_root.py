"""Damage of the log, and failures while it is written, through a whole data root."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from artstore_core.errors import StorageFull, StorageUnavailable
from element_faults import FailingFileSystem
from element_roots import DATA, ONE, Root, change, file_id, flipped, put
from storage_element.disk.wal.format import SEGMENT_HEADER_BYTES
from storage_element.disk.wal.reader import LogDamaged
from storage_element.store.changes import ChangeKind


def test_torn_tail_is_kept_in_quarantine_reported_and_cut_off(tmp_path: Path) -> None:
    root = Root(tmp_path)
    root.open()
    root.append(put())
    (segment,) = root.segments()
    whole = segment.stat().st_size
    root.append(put(file_id(1)))
    os.truncate(segment, segment.stat().st_size - 8)
    torn = segment.read_bytes()
    root.again()
    assert root.listed() == [ONE]
    (aside,) = (root.path / "quarantine").iterdir()
    assert aside.read_bytes() == torn
    assert [(what[:36], name) for what, name in root.reports] == [
        ("a torn tail of the log was set aside", f"{segment.name} at byte {whole}")
    ]
    root.perform(put(file_id(2)))
    root.again()
    assert (root.listed(), root.reports) == ([ONE, file_id(2)], [])
    root.close()


def test_two_torn_tails_are_both_kept(tmp_path: Path) -> None:
    root = Root(tmp_path)
    root.open()
    for number in (0, 1):
        root.append(put(file_id(number)))
        (segment,) = root.segments()
        os.truncate(segment, SEGMENT_HEADER_BYTES + 50)
        root.again()
    assert len(root.names("quarantine")) == 2
    assert root.listed() == []
    root.close()


def test_damaged_log_changes_nothing_at_a_start(tmp_path: Path) -> None:
    root = Root(tmp_path / "root")
    root.open()
    root.append(put())
    (segment,) = root.segments()
    end = segment.stat().st_size
    root.append(put(file_id(1)))
    root.close()
    segment.write_bytes(flipped(segment.read_bytes(), 8 * (end - 20)))
    before = {path: path.read_bytes() for path in root.path.rglob("*") if path.is_file()}
    for _ in range(2):
        with pytest.raises(LogDamaged, match="wal dump"):
            root.again()
    assert {path: path.read_bytes() for path in root.path.rglob("*") if path.is_file()} == before
    segment.write_bytes(flipped(segment.read_bytes(), 8 * (end - 20)))  # restored
    root.again()
    assert root.listed() == [ONE, file_id(1)]
    root.close()


@pytest.mark.parametrize("kind", ["write", "fdatasync"])
def test_failed_call_of_an_append_ends_writing_and_a_restart_recovers(tmp_path: Path, kind: str) -> None:
    filesystem = FailingFileSystem(most_per_write=100)
    root = Root(tmp_path, filesystem)
    root.open()
    root.append(put())
    filesystem.fail(on=[kind])
    with pytest.raises(StorageUnavailable):
        root.append(put(file_id(1)))
    for _ in range(3):
        with pytest.raises(StorageUnavailable):
            root.append(put(file_id(2)))
    root.again()
    assert set(root.listed()) in ({ONE}, {ONE, file_id(1)})
    assert root.read() == DATA
    root.perform(put(file_id(3)))
    root.close()


def test_group_that_cannot_be_cut_off_again_ends_writing(tmp_path: Path) -> None:
    class Full(FailingFileSystem):
        def truncate(self, handle: int, size: int) -> None:  # noqa: ARG002
            raise OSError(5, "injected")

    filesystem = Full(most_per_write=100)
    root = Root(tmp_path, filesystem)
    root.open()
    root.append(put())
    filesystem.fail(at=3, on=["write"], error=28)
    with pytest.raises(StorageUnavailable):
        root.append(put(file_id(1)))
    with pytest.raises(StorageUnavailable):
        root.append(put(file_id(2)))
    root.again()
    assert root.listed() == [ONE]
    root.close()


def test_full_disk_while_the_next_segment_is_begun_leaves_the_old_one_in_use(tmp_path: Path) -> None:
    filesystem = FailingFileSystem(most_per_write=100)
    root = Root(tmp_path, filesystem)
    root.open()
    root.append(put())
    for at in (1, 2):
        filesystem.fail(at=at, on=["write"], error=28)
        with pytest.raises(StorageFull):
            root.disk.rotate_log()
        assert len(root.segments()) == 1
        root.append(put(file_id(at)))
    assert f"unlink {2:016x}.wal" in filesystem.log
    assert filesystem.log[filesystem.log.index(f"unlink {2:016x}.wal") + 1] == "fsync_dir wal"
    root.again()
    assert root.listed() == [ONE, file_id(1), file_id(2)]
    root.close()


@pytest.mark.parametrize("kind", ["open", "fsync", "fsync_dir"])
def test_failure_while_the_next_segment_is_begun_ends_writing(tmp_path: Path, kind: str) -> None:
    filesystem = FailingFileSystem()
    root = Root(tmp_path, filesystem)
    root.open()
    root.append(put())
    filesystem.fail(on=[kind])
    with pytest.raises(StorageUnavailable):
        root.disk.rotate_log()
    with pytest.raises(StorageUnavailable):
        root.append(put(file_id(1)))
    root.again()
    assert root.listed() == [ONE]
    root.close()


def test_log_over_many_segments_is_replayed_in_order(tmp_path: Path) -> None:
    root = Root(tmp_path)
    root.open()
    root.append(put())
    for revision in range(2, 8):
        root.disk.rotate_log()
        root.append(change(ChangeKind.SET, revision=revision))
    assert len(root.segments()) == 7
    root.again()
    assert root.disk.attributes(ONE).revision == 7
    assert len(root.segments()) == 1
    root.close()

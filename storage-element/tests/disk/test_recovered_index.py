"""What a start makes of the index: one that is true is brought up to the log, any other is made anew."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from artstore_core.errors import StorageUnavailable
from element_faults import FailingFileSystem
from element_roots import DATA, ONE, Root, change, file_id, put, record
from storage_element.disk.index import SqliteIndex
from storage_element.store.changes import ChangeKind
from storage_element.store.ports import RebuildNeeded

LARGE = bytes(range(256)) * 400


@pytest.fixture
def root(tmp_path: Path) -> Iterator[Root]:
    made = Root(tmp_path / "root")
    made.open()
    yield made
    made.close()


@pytest.mark.parametrize("lost", ["index.sqlite", "index.sqlite*"])
def test_lost_index_is_made_anew_in_another_epoch(root: Root, lost: str) -> None:
    epoch = root.disk.index.epoch
    root.perform(put(), put(file_id(1)))
    root.append(put(file_id(2)))
    root.close()
    for path in root.path.glob(lost):
        path.unlink()
    root.again()
    assert root.disk.index.epoch != epoch
    assert root.listed() == [ONE, file_id(1), file_id(2)]
    assert any("index is made anew" in what for what, _ in root.reports)


def test_a_new_root_misses_no_index(root: Root) -> None:
    assert root.reports == []
    root.again()
    assert root.reports == []


@pytest.mark.parametrize("content", [b"", b"not a database" * 1000, None])
def test_unreadable_index_is_made_anew(root: Root, content: bytes | None) -> None:
    epoch = root.disk.index.epoch
    root.perform(put())
    root.close()
    path = root.path / "index.sqlite"
    if content is None:
        whole = bytearray(path.read_bytes())
        whole[100:8192] = bytes(8092)
        content = bytes(whole)
    path.write_bytes(content)
    root.again()
    assert (root.listed(), root.disk.index.epoch != epoch) == ([ONE], True)


def test_index_of_another_element_is_made_anew(tmp_path: Path, root: Root) -> None:
    other = Root(tmp_path / "other", storage_id="se-other")
    other.open()
    other.close()
    root.perform(put())
    root.close()
    (root.path / "index.sqlite").write_bytes((other.path / "index.sqlite").read_bytes())
    root.again()
    assert root.listed() == [ONE]


def test_index_behind_the_log_catches_up_and_keeps_its_epoch(root: Root) -> None:
    """A power cut takes its last transactions; the log has them."""
    epoch = root.disk.index.epoch
    root.perform(put())
    root.checkpoint()
    kept = index_files(root)
    root.perform(put(file_id(1)), change(ChangeKind.SET, revision=2))
    root.close()
    put_back(root, kept)
    root.again()
    assert (root.disk.index.epoch, root.disk.index.applied) == (epoch, 3)
    assert root.listed() == [ONE, file_id(1)]


def test_index_that_lacks_what_the_log_no_longer_has_is_made_anew(root: Root) -> None:
    epoch = root.disk.index.epoch
    leave_an_old_index(root)
    root.again()
    assert root.disk.index.epoch != epoch
    assert root.listed() == [ONE, file_id(1)]


def test_index_that_knows_what_the_log_never_held_is_made_anew(root: Root) -> None:
    """A log that was restored from a backup, say."""
    epoch = root.disk.index.epoch
    root.append(put())
    (segment,) = root.segments()
    kept = segment.read_bytes()
    root.perform(put(file_id(1)), put(file_id(2)))
    root.close()
    segment.write_bytes(kept)
    root.again()
    assert root.disk.index.epoch != epoch
    assert root.listed() == [ONE, file_id(1), file_id(2)]  # what is in its place is there


def test_doubtful_index_is_gone_before_the_log_is(root: Root) -> None:
    """Else a start that dies between the two leaves nobody who could tell that the old index lacks something."""
    leave_an_old_index(root)
    filesystem = FailingFileSystem()
    filesystem.fail(on=["fsync_dir"], at=1)  # of the log's first segment that goes
    with pytest.raises(StorageUnavailable):
        root.again(filesystem)
    root.again()
    assert root.listed() == [ONE, file_id(1)]


def index_files(root: Root) -> dict[Path, bytes]:
    return {path: path.read_bytes() for path in root.path.glob("index.sqlite*")}


def leave_an_old_index(root: Root) -> None:
    """One that lacks a change which the log does not have any more."""
    kept = index_files(root)
    root.perform(put())
    root.checkpoint()
    root.append(put(file_id(1)))
    root.close()
    put_back(root, kept)


def put_back(root: Root, kept: dict[Path, bytes]) -> None:
    for path in root.path.glob("index.sqlite*"):
        path.unlink()
    for path, content in kept.items():
        if not path.name.endswith("-shm"):
            path.write_bytes(content)


@pytest.mark.parametrize("fails", ["sync_all", "fdatasync"])
def test_index_is_made_anew_after_a_failed_flush(root: Root, fails: str) -> None:
    """The pages that were lost may be the index's own, and a page that is lost may look like one that is old."""
    filesystem = FailingFileSystem()
    root.again(filesystem)
    root.perform(put())
    epoch = root.disk.index.epoch
    filesystem.fail(on=[fails])
    with pytest.raises(StorageUnavailable):
        root.append(put(file_id(1)))
        root.checkpoint()
    root.close()
    assert not list(root.path.glob("index.sqlite*"))
    root.again()
    assert root.disk.index.epoch != epoch
    assert root.read() == DATA


def test_index_that_fails_while_it_is_in_use_is_told_with_its_reason(root: Root) -> None:
    root.perform(put())
    root.checkpoint()
    root.close()
    path = root.path / "index.sqlite"
    whole = bytearray(path.read_bytes())
    whole[4096:] = bytes(len(whole) - 4096)
    root.open()
    path.write_bytes(whole)
    with pytest.raises(RebuildNeeded) as caught:
        for number in range(100):
            root.listed()
            root.perform(put(file_id(number)))
            root.disk.index.flush()
    assert "SQLite" not in caught.value.message
    root.close()
    assert any(what.startswith("the index failed (SQLite says") for what, _ in root.reports)


def test_log_is_taken_into_the_index_in_batches(root: Root) -> None:
    """Over the edge of one, with a file that changes in both."""
    numbers = range(1, 1205)
    root.append(put(), *(put(file_id(number), b"x") for number in numbers))
    root.append(change(ChangeKind.SET, revision=2), change(ChangeKind.PURGE, file_id(7), status="deleted"))
    root.again()
    assert root.disk.index.applied == 1207
    assert root.disk.index.get(ONE) == record(revision=2)
    assert sum(root.disk.index.counts.values()) == 1204


def test_long_log_is_in_the_index_up_to_its_last_batch_when_a_start_dies(root: Root) -> None:
    """And so is never in memory as a whole."""
    root.append(*(put(file_id(number), b"x") for number in range(1204)))
    epoch = root.disk.index.epoch
    filesystem = FailingFileSystem()
    filesystem.fail(on=["mkdir"], at=1100)  # of the shard of a file late in the log
    with pytest.raises(StorageUnavailable):
        root.again(filesystem)
    index = SqliteIndex.open(root.path / "index.sqlite", "se-1")
    assert index.applied == 1000
    index.close()
    root.again()
    assert (root.disk.index.epoch, root.disk.index.applied, len(root.listed())) == (epoch, 1204, 1000)


def test_doubtful_index_is_given_no_batches(root: Root) -> None:
    kept = index_files(root)
    root.perform(put())
    root.checkpoint()
    root.append(*(put(file_id(number), b"x") for number in range(1, 1100)))
    root.close()
    put_back(root, kept)
    filesystem = FailingFileSystem()
    filesystem.fail(on=["mkdir"], at=1050)
    with pytest.raises(StorageUnavailable):
        root.again(filesystem)
    index = SqliteIndex.open(root.path / "index.sqlite", "se-1")
    assert index.applied == 0
    index.close()
    root.again()
    assert sum(root.disk.index.counts.values()) == 1100

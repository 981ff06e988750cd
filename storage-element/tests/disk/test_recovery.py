"""What a start makes of what it finds; the table of disk/recovery.py, row by row."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from uuid import UUID

import pytest
from artstore_core.errors import NotFound, StorageFull, StorageUnavailable
from artstore_core.files import FileStatus
from artstore_core.modes import Mode
from element_faults import FailingFileSystem
from element_roots import DATA, NOW, ONE, Root, begin, change, file_id, put
from storage_element.store.changes import THE_ELEMENT, Change, ChangeKind
from storage_element.store.records import mode_record

LARGE = bytes(range(256)) * 400


@pytest.fixture
def root(tmp_path: Path) -> Iterator[Root]:
    made = Root(tmp_path / "root")
    made.open()
    yield made
    made.close()


def test_everything_logged_and_nothing_applied_is_there_after_a_start(root: Root) -> None:
    root.append(
        put(),
        root.stage(LARGE, file_id(1)),
        put(file_id(2)),
        change(ChangeKind.SET, file_id(2), revision=2, tags=["a"]),
        put(file_id(3)),
        change(ChangeKind.DAMAGE, file_id(3), status="damaged", revision=2),
        put(file_id(4)),
        change(ChangeKind.PURGE, file_id(4), status="deleted"),
        Change(ChangeKind.MODE, THE_ELEMENT, mode_record(Mode.RO, "sa:x", NOW)),
    )
    assert root.names("files") == []
    found = root.again()
    assert found.mode is Mode.RO
    assert root.listed() == [ONE, file_id(1), file_id(2), file_id(3)]
    assert (root.read(), root.read(file_id(1)), root.read(file_id(2))) == (DATA, LARGE, DATA)
    assert root.disk.attributes(file_id(2)).tags == ["a"]
    assert root.disk.attributes(file_id(3)).status is FileStatus.DAMAGED
    with pytest.raises(NotFound):
        root.disk.attributes(file_id(4))
    assert root.disk.index.applied == 9
    assert root.reports == [("an interrupted upload was cleared", name) for _, name in root.reports]


def test_log_is_empty_after_a_start(root: Root) -> None:
    root.append(put())
    root.again()
    (segment,) = root.segments()
    assert segment.stat().st_size == 128  # its header
    assert root.disk.log_segments == 1


def test_numbers_go_on_and_the_epoch_is_kept(root: Root) -> None:
    epoch = root.disk.index.epoch
    root.append(put(), put(file_id(1)))
    root.again()
    (logged,) = root.append(put(file_id(2)))
    assert logged.sequence == 3
    root.again()
    assert root.disk.index.epoch == epoch
    assert [sequence for sequence, _ in root.disk.index.changes(0, 10, NOW)[0]] == [1, 2, 3]


def test_missing_data_of_a_logged_file_is_damage_told_as_such(root: Root) -> None:
    promised = root.stage(LARGE)
    root.append(promised, put(file_id(1)))
    (root.path / "staging" / str(promised.staged)).unlink()
    root.again()
    assert root.disk.attributes(ONE).status is FileStatus.DAMAGED
    assert [file.status for _, file in root.disk.index.changes(0, 10, NOW)[0]] == ["damaged", "active"]
    assert ("logged data is missing", str(ONE)) in root.reports
    assert root.read(file_id(1)) == DATA


def test_start_that_dies_at_any_call_can_be_made_again(tmp_path: Path) -> None:
    number, done = 0, False
    while not done:
        number += 1
        root = Root(tmp_path / str(number))
        root.open()
        root.perform(put())
        root.append(root.stage(LARGE, file_id(1)), change(ChangeKind.SET, revision=2), put(file_id(2)), put(file_id(3)))
        root.append(change(ChangeKind.PURGE, file_id(2)), change(ChangeKind.DAMAGE, file_id(3), status="damaged"))
        filesystem = FailingFileSystem(most_per_write=30_000)
        filesystem.fail(at=number)
        try:
            root.again(filesystem)
            done = filesystem.failures == 0
        except StorageUnavailable:
            assert filesystem.failures == 1
        root.again()
        assert root.listed() == [ONE, file_id(1), file_id(3)]
        assert (root.read(), root.read(file_id(1))) == (DATA, LARGE)
        assert root.disk.attributes(ONE).revision == 2
        assert root.names("staging") == []
        assert len(root.names("quarantine")) == 1
        root.close()
    assert number > 20


def test_full_disk_at_a_start_is_told_as_such_and_passes(root: Root) -> None:
    root.append(put())
    filesystem = FailingFileSystem()
    filesystem.fail(on=["mkdir"], error=28)
    with pytest.raises(StorageFull):
        root.again(filesystem)
    root.open()
    assert root.read() == DATA


def test_second_process_on_one_root_is_refused(root: Root) -> None:
    second = Root(root.path)
    with pytest.raises(StorageUnavailable, match="Another process"):
        second.open()
    root.close()
    second.open()
    second.close()


def test_unreadable_record_is_listed_as_damaged_by_a_new_index_and_left_alone(root: Root) -> None:
    root.perform(put())
    root.checkpoint()
    root.close()
    (path,) = (root.path / "files").rglob("*.attr.json")
    path.write_text("{")
    (root.path / "index.sqlite").unlink()
    root.again()
    ((_, file),) = root.disk.index.changes(0, 10, NOW)[0]
    assert (file.file_id, file.status) == (ONE, FileStatus.DAMAGED)
    assert path.read_text() == "{"


def test_data_without_a_record_is_no_file_and_is_not_destroyed(root: Root) -> None:
    """Reconcile sets it aside; a start does not look through all directories."""
    root.perform(put())
    root.checkpoint()
    root.close()
    next((root.path / "files").rglob("*.attr.json")).unlink()
    (root.path / "index.sqlite").unlink()
    root.again()
    assert root.listed() == []
    assert next((root.path / "files").rglob("*.data")).read_bytes() == DATA


def test_strange_names_are_left_alone(root: Root) -> None:
    strangers = [
        root.path / "files" / "notes.txt",
        root.path / "files" / "000" / "x.data",
        root.path / "staging" / "mine",
        root.path / "wal" / "mine.wal",
    ]
    for path in strangers:
        path.parent.mkdir(exist_ok=True)
        path.write_text("mine")
    root.again()
    assert all(path.read_text() == "mine" for path in strangers)


def test_opening_twice_is_opening_once(root: Root) -> None:
    root.append(put())
    begin(root, UUID(int=5))
    first = root.again()
    files = {path: path.read_bytes() for path in (root.path / "files").rglob("*") if path.is_file()}
    second = root.again()
    assert (first.uploads, first.mode) == (second.uploads, second.mode)
    assert {path: path.read_bytes() for path in (root.path / "files").rglob("*") if path.is_file()} == files
    assert root.listed() == [ONE]


def test_copy_without_empty_directories_is_a_complete_data_root(root: Root) -> None:
    root.perform(put())
    root.checkpoint()
    root.close()
    for name in ("staging", "quarantine", "maintenance"):
        (root.path / name).rmdir()
    for path in (*root.path.glob("index.sqlite*"), *root.segments()):
        path.unlink()
    (root.path / "wal").rmdir()
    root.again()
    assert root.listed() == [ONE]
    root.perform(put(file_id(1)))


def test_data_root_without_its_files_is_not_an_empty_one(root: Root) -> None:
    root.close()
    (root.path / "files").rename(root.path / "away")
    for _ in range(2):
        with pytest.raises(StorageUnavailable):
            root.again()

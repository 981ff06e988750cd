"""What a start makes of what it finds; the table of disk/recovery.py, row by row."""

from __future__ import annotations

from collections.abc import Iterator
from hashlib import sha256
from pathlib import Path
from uuid import UUID

import pytest
from artstore_core.errors import NotFound, StorageFull, StorageUnavailable
from artstore_core.files import FileStatus
from artstore_core.modes import Mode
from element_faults import FailingFileSystem
from element_roots import DATA, NOW, ONE, Root, change, file_id, put, record
from storage_element.disk.index import SqliteIndex
from storage_element.store.agreement import Agreement
from storage_element.store.changes import THE_ELEMENT, Change, ChangeKind
from storage_element.store.ports import RebuildNeeded
from storage_element.store.records import mode_record

LARGE = bytes(range(256)) * 400


@pytest.fixture
def root(tmp_path: Path) -> Iterator[Root]:
    made = Root(tmp_path / "root")
    made.open()
    yield made
    made.close()


def begin(root: Root, upload_id: UUID = ONE) -> Agreement:
    """An upload, and bytes of it that a client was told of."""
    agreement = Agreement(upload_id, 100, NOW)
    root.disk.begin_upload(agreement)
    writer = root.disk.resume_upload(upload_id, None)
    writer.write(DATA)
    writer.flush()
    writer.close()
    agreement = agreement.with_received(len(DATA))
    root.append(agreement.change())
    return agreement


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
    kept = index_files(root)
    root.perform(put())
    root.checkpoint()
    root.append(put(file_id(1)))
    root.close()
    put_back(root, kept)
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
    kept = index_files(root)
    root.perform(put())
    root.checkpoint()
    root.append(put(file_id(1)))
    root.close()
    put_back(root, kept)
    filesystem = FailingFileSystem()
    filesystem.fail(on=["fsync_dir"], at=1)  # of the log's first segment that goes
    with pytest.raises(StorageUnavailable):
        root.again(filesystem)
    root.again()
    assert root.listed() == [ONE, file_id(1)]


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


def test_temporary_files_of_the_dead_are_cleared_and_of_the_living_kept(root: Root) -> None:
    (root.path / "staging" / f"{'0' * 32}.tmp").write_bytes(b"x")
    writer = root.disk.new_writer()
    root.open()
    assert root.names("staging") == [writer.path.name]
    root.disk.discard(writer)
    assert root.names("staging") == []


def test_half_uploads_can_go_on(root: Root) -> None:
    begun = begin(root)
    ((agreement, written),) = root.again().uploads
    assert (agreement, written) == (begun, len(DATA))
    writer = root.disk.resume_upload(ONE, None)
    assert (writer.size, writer.checksum()) == (len(DATA), sha256(DATA).hexdigest())  # read back: nobody remembers
    writer.close()


@pytest.mark.parametrize("kept", [f"{ONE}.part", f"{ONE}.upload.json"])
def test_one_half_of_a_half_upload_is_cleared(root: Root, kept: str) -> None:
    begin(root)
    for name in root.names("staging"):
        if name != kept:
            (root.path / "staging" / name).unlink()
    assert not root.again().uploads
    assert root.names("staging") == []


@pytest.mark.parametrize("content", ["", "{}", "[]", '{"size": "x", "created_at": "2026-11-21T00:00:00+00:00"}'])
def test_upload_with_an_unreadable_agreement_is_cleared(root: Root, content: str) -> None:
    begin(root)
    root.again()  # the log, which could mend it, is gone after that
    (root.path / "staging" / f"{ONE}.upload.json").write_text(content)
    assert not root.again().uploads
    assert root.names("staging") == []


@pytest.mark.parametrize("applied", [False, True])
def test_what_is_left_of_a_completed_upload_is_cleared(root: Root, *, applied: bool) -> None:
    begin(root)
    attributes = record()
    root.append(Change(ChangeKind.PUT, ONE, put().record, attributes, staged=f"{ONE}.part"))
    if applied:
        root.again()
        begin(root)
    assert not root.again().uploads
    assert root.listed() == [ONE]
    assert root.read() == DATA
    assert root.names("staging") == []


def test_completion_cut_short_before_its_record_can_go_on(root: Root) -> None:
    """All is flushed, nothing is logged."""
    begin(root)
    assert [written for _, written in root.again().uploads] == [len(DATA)]
    assert root.listed() == []


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


def index_files(root: Root) -> dict[Path, bytes]:
    return {path: path.read_bytes() for path in root.path.glob("index.sqlite*")}


def put_back(root: Root, kept: dict[Path, bytes]) -> None:
    for path in root.path.glob("index.sqlite*"):
        path.unlink()
    for path, content in kept.items():
        if not path.name.endswith("-shm"):
            path.write_bytes(content)


@pytest.mark.parametrize("left", [b"", b'{"schema_version": 1, "upl', b"\0" * 200])
def test_agreement_that_was_being_written_anew_at_the_cut_is_made_whole_from_the_log(root: Root, left: bytes) -> None:
    """It is put in place by a rename that nothing flushes before a checkpoint."""
    agreement = begin(root)
    (root.path / "staging" / f"{ONE}.upload.json").write_bytes(left)
    found = root.again()
    assert found.uploads == [(agreement, len(DATA))]


def test_agreement_of_an_upload_that_was_aborted_does_not_come_back(root: Root) -> None:
    begin(root)
    root.disk.forget_upload(ONE)
    assert root.again().uploads == []
    assert root.names("staging") == []


def test_agreement_of_an_earlier_upload_of_the_same_id_is_passed_over(root: Root) -> None:
    begin(root)
    root.disk.forget_upload(ONE)
    second = Agreement(ONE, 7, NOW)
    root.disk.begin_upload(second)
    assert root.again().uploads == [(second, 0)]


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


@pytest.mark.parametrize("applied", [False, True])
def test_bytes_of_a_purged_file_are_no_upload_again(root: Root, *, applied: bool) -> None:
    """It dies after its log went and before the staging names did."""
    begin(root)
    (completed,) = root.append(Change(ChangeKind.PUT, ONE, put().record, record(), staged=f"{ONE}.part"))
    if applied:
        root.disk.apply(completed)
        root.disk.index_changes([completed])
        root.perform(change(ChangeKind.PURGE, status="deleted"))
        root.checkpoint()
    else:
        root.append(change(ChangeKind.PURGE, status="deleted"))
    assert not root.again().uploads
    assert (root.listed(), root.names("staging"), root.names("files")) == ([], [], [])


def test_agreement_that_came_back_at_a_power_cut_is_no_upload_again(root: Root) -> None:
    """Nothing flushes its removal before a checkpoint; until then the log has the file."""
    begin(root)
    agreement = root.path / "staging" / f"{ONE}.upload.json"
    kept = agreement.read_bytes()
    (logged,) = root.append(Change(ChangeKind.PUT, ONE, put().record, record(), staged=f"{ONE}.part"))
    root.disk.apply(logged)
    assert not agreement.exists()
    root.perform(change(ChangeKind.PURGE, status="deleted"))
    agreement.write_bytes(kept)
    assert not root.again().uploads
    assert root.names("staging") == []


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

"""What a start makes of what it finds; the table of disk/recovery.py, row by row."""

from datetime import UTC, datetime
from hashlib import sha256
from pathlib import Path
from uuid import UUID

import pytest
from artstore_core.errors import StorageUnavailable
from artstore_core.files import Attributes, FileStatus
from artstore_core.modes import Mode
from artstore_core.retention import RetentionPolicy
from storage_element.disk.filesystem import RealFileSystem
from storage_element.disk.root import DataRoot
from storage_element.disk.staged import Agreement

NOW = datetime(2026, 11, 21, tzinfo=UTC)
ONE = UUID("01920000-0000-7000-8000-0000000000ab")
DATA = b"some bytes"


class Disk:
    """A data root, with what its recovery reported."""

    def __init__(self, path: Path) -> None:
        self.path, self.reports = path, list[tuple[str, str]]()
        self.root = DataRoot(path, RealFileSystem(), "se-1", lambda *found: self.reports.append(found))
        self.root.initialise(Mode.EDIT, NOW)

    def store(self, file_id: UUID = ONE) -> Path:
        writer = self.root.new_writer()
        writer.write(DATA)
        self.root.commit(
            writer,
            Attributes(
                file_id=file_id,
                original_filename="a.txt",
                content_type="text/plain",
                size=len(DATA),
                checksum=sha256(DATA).hexdigest(),
                uploaded_by="sa:x",
                uploaded_at=NOW,
                retention_policy=RetentionPolicy.PERMANENT,
            ),
        )
        return next((self.path / "files").rglob(f"{file_id}.data"))

    def begin(self, upload_id: UUID = ONE) -> None:
        self.root.begin_upload(Agreement(upload_id, 100, NOW))
        writer = self.root.resume_upload(upload_id, None)
        writer.write(DATA)
        writer.flush()
        writer.close()

    def staging(self) -> list[str]:
        return sorted(path.name for path in (self.path / "staging").iterdir())


@pytest.fixture
def disk(tmp_path: Path) -> Disk:
    return Disk(tmp_path)


def test_files_are_found_with_all_that_is_known_of_them(disk: Disk) -> None:
    disk.store()
    found = disk.root.recover()
    assert found.files == [disk.root.attributes(ONE).public()]
    assert not disk.reports


def test_temporary_files_of_the_dead_are_cleared_and_of_the_living_kept(disk: Disk) -> None:
    (disk.path / "staging" / f"{'0' * 32}.tmp").write_bytes(b"x")
    writer = disk.root.new_writer()
    disk.root.recover()
    assert disk.staging() == [writer.path.name]
    disk.root.discard(writer)
    assert not disk.staging()


def test_half_uploads_can_go_on(disk: Disk) -> None:
    disk.begin()
    ((agreement, written),) = disk.root.recover().uploads
    assert (agreement, written) == (Agreement(ONE, 100, NOW), len(DATA))
    writer = disk.root.resume_upload(ONE, None)
    assert (writer.size, writer.checksum()) == (len(DATA), sha256(DATA).hexdigest())  # read back: nobody remembers
    writer.close()


@pytest.mark.parametrize("kept", [f"{ONE}.part", f"{ONE}.upload.json"])
def test_one_half_of_a_half_upload_is_cleared(disk: Disk, kept: str) -> None:
    disk.begin()
    for name in disk.staging():
        if name != kept:
            (disk.path / "staging" / name).unlink()
    assert not disk.root.recover().uploads
    assert not disk.staging()


@pytest.mark.parametrize("content", ["", "{}", "[]", '{"size": "x", "created_at": "2026-11-21T00:00:00+00:00"}'])
def test_upload_with_an_unreadable_agreement_is_cleared(disk: Disk, content: str) -> None:
    disk.begin()
    (disk.path / "staging" / f"{ONE}.upload.json").write_text(content)
    assert not disk.root.recover().uploads
    assert not disk.staging()


def test_agreement_of_a_completed_upload_is_cleared(disk: Disk) -> None:
    disk.begin()
    disk.store()
    found = disk.root.recover()
    assert not found.uploads
    assert [file.file_id for file in found.files] == [ONE]
    assert not disk.staging()


def test_completion_cut_short_before_its_commit_point_can_go_on(disk: Disk) -> None:
    data = disk.store()
    data.with_suffix(".attr.json").unlink()
    disk.begin()
    (disk.path / "staging" / f"{ONE}.part").unlink()
    found = disk.root.recover()
    assert [written for _, written in found.uploads] == [len(DATA)]
    assert not data.exists()
    assert not found.files


def test_data_without_record_is_set_aside_and_never_destroyed(disk: Disk) -> None:
    data = disk.store()
    data.with_suffix(".attr.json").unlink()
    assert not disk.root.recover().files
    (aside,) = (disk.path / "quarantine").iterdir()
    assert aside.name.startswith(data.name)
    assert aside.read_bytes() == DATA
    assert [name for _, name in disk.reports] == [str(ONE)]


@pytest.mark.parametrize("damage", ["missing", "short", "long"])
def test_record_without_its_data_is_listed_as_damaged(disk: Disk, damage: str) -> None:
    data = disk.store()
    if damage == "missing":
        data.unlink()
    else:
        data.write_bytes(DATA[:-1] if damage == "short" else DATA + b"x")
    (file,) = disk.root.recover().files
    assert file.status is FileStatus.DAMAGED


def test_unreadable_record_is_reported_and_left_alone(disk: Disk) -> None:
    record = disk.store().with_suffix(".attr.json")
    record.write_text("{")
    disk.root.recover()
    assert disk.reports == [("a record cannot be read", str(ONE))]
    assert record.read_text() == "{"


def test_strange_names_are_left_alone(disk: Disk) -> None:
    strangers = [
        disk.path / "files" / "notes.txt",
        disk.path / "files" / "000" / "x.data",
        disk.path / "staging" / "mine",
    ]
    for path in strangers:
        path.parent.mkdir(exist_ok=True)
        path.write_text("mine")
    disk.root.recover()
    assert all(path.read_text() == "mine" for path in strangers)


def test_recovery_done_twice_is_recovery_done_once(disk: Disk) -> None:
    disk.store()
    disk.begin(UUID(int=5))
    first, second = disk.root.recover(), disk.root.recover()
    assert (first.files, first.uploads) == (second.files, second.uploads)


def test_copy_without_empty_directories_is_a_complete_data_root(disk: Disk) -> None:
    disk.store()
    (disk.path / "staging").rmdir()
    (disk.path / "quarantine").rmdir()
    assert len(disk.root.recover().files) == 1
    disk.store(UUID(int=7))


def test_data_root_without_its_files_is_not_an_empty_one(disk: Disk) -> None:
    (disk.path / "files").rename(disk.path / "away")
    with pytest.raises(StorageUnavailable):
        disk.root.recover()

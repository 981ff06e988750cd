"""Files come to be by one rename, after everything else is safe; failures at any call leave them whole or invisible."""

from __future__ import annotations

import errno
from collections.abc import Callable
from datetime import UTC, datetime
from hashlib import sha256
from pathlib import Path
from typing import Any, TypeVar
from uuid import UUID

import pytest
from artstore_core.errors import ArtStoreError, FileDamaged, NotFound, StorageFull, StorageUnavailable
from artstore_core.files import Attributes
from artstore_core.modes import Mode
from artstore_core.retention import RetentionPolicy
from storage_element.disk.filesystem import RealFileSystem
from storage_element.disk.root import DataRoot

T = TypeVar("T")
NOW = datetime(2026, 11, 21, tzinfo=UTC)
FILE = UUID("01920000-0000-7000-8000-0000000000ab")
DATA = b"x" * 3000


class FailingFileSystem(RealFileSystem):
    """Counts its calls, keeps a log of those that change the disk, and fails at the one it is told to."""

    def __init__(self) -> None:
        self.calls = 0
        self.fail_at: int | None = None
        self.error = errno.EIO
        self.log: list[str] = []

    def _call(self, name: str, act: Callable[..., T], *given: Any) -> T:
        self.calls += 1
        if self.calls == self.fail_at:
            raise OSError(self.error, "injected")
        self.log.append(f"{name} {' '.join(part.name for part in given if isinstance(part, Path))}".strip())
        return act(*given)

    def open(self, path: Path, flags: int) -> int:
        return self._call("open", super().open, path, flags)

    def write(self, handle: int, data: bytes | memoryview) -> int:
        return self._call("write", super().write, handle, data[:1000])

    def fsync(self, handle: int) -> None:
        self._call("fsync", super().fsync, handle)

    def fsync_dir(self, path: Path) -> None:
        self._call("fsync_dir", super().fsync_dir, path)

    def rename(self, source: Path, target: Path) -> None:
        self._call("rename", super().rename, source, target)

    def mkdir(self, path: Path) -> None:
        self._call("mkdir", super().mkdir, path)


def record(size: int = len(DATA)) -> Attributes:
    return Attributes(
        file_id=FILE,
        original_filename="a.txt",
        content_type="text/plain",
        size=size,
        checksum=sha256(DATA).hexdigest(),
        uploaded_by="sa:x",
        uploaded_at=NOW,
        retention_policy=RetentionPolicy.PERMANENT,
    )


def made(tmp_path: Path, filesystem: RealFileSystem | None = None) -> DataRoot:
    reports: list[tuple[str, str]] = []
    root = DataRoot(tmp_path, filesystem or RealFileSystem(), "se-1", lambda *found: reports.append(found))
    root.initialise(Mode.EDIT, NOW)
    return root


def store(root: DataRoot) -> None:
    writer = root.new_writer()
    try:
        writer.write(DATA)
        assert writer.checksum() == record().checksum
        root.commit(writer, record())
    except BaseException:
        root.discard(writer)
        raise


def test_commit_makes_a_file(tmp_path: Path) -> None:
    root = made(tmp_path)
    store(root)
    attributes = root.attributes(FILE)
    assert attributes == record()
    reader = root.open(attributes)
    assert reader.read(0, 3000) == DATA
    assert reader.read(10, 5) == DATA[10:15]
    with pytest.raises(FileDamaged):
        reader.read(2999, 2)
    reader.close()
    assert not list((tmp_path / "staging").iterdir())


def test_commit_point_comes_after_everything_it_stands_for(tmp_path: Path) -> None:
    filesystem = FailingFileSystem()
    root = made(tmp_path, filesystem)
    filesystem.log.clear()
    store(root)
    steps = [step for step in filesystem.log if not step.startswith(("open", "write"))]
    assert [step.split()[0] for step in steps] == [
        "fsync",  # the data
        "fsync",  # the record
        "mkdir",
        "fsync_dir",  # the shard's own entry
        "rename",  # the data into place
        "fsync_dir",
        "rename",  # the record into place: the commit point
        "fsync_dir",
    ]
    assert steps[4].endswith(f"{FILE}.data")
    assert steps[6].endswith(f"{FILE}.attr.json")


@pytest.mark.parametrize("error", [errno.EIO, errno.ENOSPC])
def test_failure_at_any_call_leaves_the_file_whole_or_invisible(tmp_path: Path, error: int) -> None:
    counting = FailingFileSystem()
    root = made(tmp_path / "count", counting)
    before = counting.calls
    store(root)
    for number in range(1, counting.calls - before + 1):
        path = tmp_path / f"at-{number}"
        failing = FailingFileSystem()
        root = made(path, failing)
        failing.fail_at, failing.error = failing.calls + number, error
        with pytest.raises((StorageFull, StorageUnavailable)):
            store(root)
        # What a restart makes of it: nothing, or the file as it should be. Nothing half.
        restarted = made(path)
        found = restarted.recover()
        try:
            attributes = restarted.attributes(FILE)
        except NotFound:
            assert not found.files
        else:
            restarted.open(attributes).close()
            assert [file.file_id for file in found.files] == [FILE]
        assert not list((path / "staging").iterdir())


def test_full_disk_is_told_from_a_broken_one(tmp_path: Path) -> None:
    filesystem = FailingFileSystem()
    root = made(tmp_path, filesystem)
    writer = root.new_writer()
    filesystem.fail_at, filesystem.error = filesystem.calls + 2, errno.ENOSPC
    with pytest.raises(StorageFull):
        writer.write(DATA)
    assert writer.size == 1000  # what was written is counted, and can be taken back
    writer.take_back()
    assert writer.size == 0
    writer.write(DATA)
    assert writer.checksum() == record().checksum
    root.discard(writer)


def test_failed_fsync_is_never_retried(tmp_path: Path) -> None:
    filesystem = FailingFileSystem()
    root = made(tmp_path, filesystem)
    writer = root.new_writer()
    writer.write(DATA)
    filesystem.fail_at = filesystem.calls + 1
    with pytest.raises(StorageUnavailable):
        writer.flush()
    assert root.failed
    calls = filesystem.calls
    with pytest.raises(StorageUnavailable):
        root.commit(writer, record())
    assert "fsync" not in [step.split()[0] for step in filesystem.log[calls:]]
    root.discard(writer)
    assert not made(tmp_path).failed  # a restart reads back what is there


@pytest.mark.parametrize("content", [b"", b"{}", b"not json", b'{"schema_version": 2}', b"\xff" * 10])
def test_record_that_cannot_be_read_is_damage_and_no_absence(tmp_path: Path, content: bytes) -> None:
    root = made(tmp_path)
    store(root)
    path = next((tmp_path / "files").rglob("*.attr.json"))
    path.write_bytes(content)
    with pytest.raises(FileDamaged):
        root.attributes(FILE)


def test_record_of_another_file_is_damage(tmp_path: Path) -> None:
    root = made(tmp_path)
    store(root)
    path = next((tmp_path / "files").rglob("*.attr.json"))
    other = UUID("01920000-0000-7000-8000-0000000010ab")
    path.with_name(f"{other}.attr.json").write_bytes(path.read_bytes())
    with pytest.raises(FileDamaged):
        root.attributes(other)


def test_fields_of_a_newer_element_are_kept(tmp_path: Path) -> None:
    root = made(tmp_path)
    store(root)
    path = next((tmp_path / "files").rglob("*.attr.json"))
    path.write_text(path.read_text().replace('"schema_version": 1', '"schema_version": 1, "colour": "green"'))
    assert root.attributes(FILE).model_dump()["colour"] == "green"


def test_missing_file_on_a_missing_disk_is_not_called_missing(tmp_path: Path) -> None:
    root = made(tmp_path)
    with pytest.raises(NotFound):
        root.attributes(FILE)
    tmp_path.joinpath("artstore-element.json").unlink()
    with pytest.raises(StorageUnavailable):
        root.attributes(FILE)
    with pytest.raises(StorageUnavailable):
        root.measure_upload(FILE)


def test_every_error_of_the_disk_is_one_of_ours(tmp_path: Path) -> None:
    """A file in place of a directory, say: never an OSError for the edge to stumble over."""
    root = made(tmp_path)
    (tmp_path / "files").rmdir()
    (tmp_path / "files").write_text("in the way")
    with pytest.raises(ArtStoreError):
        root.attributes(FILE)
    with pytest.raises(ArtStoreError):
        root.recover()


def test_committed_file_that_is_discarded_stays_and_nothing_else_is_closed(tmp_path: Path) -> None:
    """A request that is cancelled while it commits does just this."""
    root = made(tmp_path)
    writer = root.new_writer()
    writer.write(DATA)
    root.commit(writer, record())
    other = root.new_writer()  # gets the number of the file that was closed
    root.discard(writer)
    other.write(DATA)
    root.discard(other)
    root.open(root.attributes(FILE)).close()

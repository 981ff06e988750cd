"""A change is made by one record in the log, after everything it stands for is safe; then it is put into its place.

Failures at any call leave files whole or invisible.
"""

from __future__ import annotations

import errno
from collections.abc import Iterator
from hashlib import sha256
from pathlib import Path

import pytest
from artstore_core.errors import ArtStoreError, FileDamaged, NotFound, StorageFull, StorageUnavailable
from element_faults import FailingFileSystem
from element_roots import DATA, ONE, Root, change, file_id, put, record
from storage_element.disk.filesystem import RealFileSystem
from storage_element.store.changes import ChangeKind

LARGE = bytes(range(256)) * 400


@pytest.fixture
def filesystem() -> FailingFileSystem:
    return FailingFileSystem(most_per_write=30_000)


@pytest.fixture
def root(tmp_path: Path, filesystem: FailingFileSystem) -> Iterator[Root]:
    made = Root(tmp_path / "root", filesystem)
    made.open()
    yield made
    made.close()


def test_put_makes_a_file(root: Root) -> None:
    root.perform(put())
    assert root.disk.attributes(ONE) == record()
    reader = root.disk.open(root.disk.attributes(ONE))
    assert reader.read(0, len(DATA)) == DATA
    assert reader.read(5, 5) == DATA[5:]
    with pytest.raises(FileDamaged):
        reader.read(len(DATA) - 1, 2)
    reader.close()
    assert root.names("staging") == []


def test_small_file_costs_one_write_and_one_flush(root: Root, filesystem: FailingFileSystem) -> None:
    filesystem.log.clear()
    root.append(put())
    (segment,) = root.segments()
    assert filesystem.log == [f"write {segment.name}", f"fdatasync {segment.name}"]


def test_large_file_and_its_name_are_flushed_before_the_record_that_promises_them(
    root: Root, filesystem: FailingFileSystem
) -> None:
    filesystem.log.clear()
    promised = root.stage(LARGE)
    root.append(promised)
    (segment,), name = root.segments(), promised.staged
    steps = [step for step in filesystem.log if not step.startswith("open")]
    assert steps[-4:] == [
        f"fsync {name}",
        "fsync_dir staging",
        f"write {segment.name}",
        f"fdatasync {segment.name}",
    ]


def test_applying_flushes_nothing(root: Root, filesystem: FailingFileSystem) -> None:
    changes = [put(), root.stage(LARGE, file_id(1)), change(ChangeKind.SET, tags=["a"], revision=2)]
    logged = root.append(*changes)
    filesystem.log.clear()
    for one in logged:
        root.disk.apply(one)
    assert not [step for step in filesystem.log if "sync" in step]
    assert root.read() == DATA
    assert root.read(file_id(1)) == LARGE
    assert root.disk.attributes(ONE).tags == ["a"]


def test_bytes_keep_their_staging_name_until_the_checkpoint(root: Root) -> None:
    promised = root.stage(LARGE)
    root.perform(promised)
    assert root.names("staging") == [promised.staged]
    root.checkpoint()
    assert promised.staged is not None
    root.disk.drop_staged([promised.staged])
    assert root.names("staging") == []
    assert root.read() == LARGE


def test_log_goes_only_after_everything_is_flushed(root: Root, filesystem: FailingFileSystem) -> None:
    root.perform(put())
    (old,) = root.segments()
    filesystem.log.clear()
    root.checkpoint()
    steps = [step for step in filesystem.log if step.startswith(("sync_all", "unlink"))]
    assert steps[0].startswith("sync_all")
    assert steps[1:] == [f"unlink {old.name}"]


@pytest.mark.parametrize("error", [errno.EIO, errno.ENOSPC])
@pytest.mark.parametrize("large", [False, True])
def test_failure_at_any_call_leaves_the_file_whole_or_invisible(tmp_path: Path, error: int, *, large: bool) -> None:
    """Whatever was acknowledged is whole after a restart; what was not is whole or not there."""
    number, done = 0, False
    while not done:
        number += 1
        filesystem = FailingFileSystem(most_per_write=30_000)
        root = Root(tmp_path / f"at-{number}", filesystem)
        root.open()
        filesystem.fail(at=number, error=error)
        acknowledged = False
        try:
            promised = root.stage(LARGE) if large else put()
            logged = root.append(promised)
            acknowledged = True
            root.disk.apply(logged[0])
            root.disk.index_changes(logged)
            root.checkpoint()
        except (StorageFull, StorageUnavailable):
            assert filesystem.failures == 1
        done = filesystem.failures == 0
        root.again()
        try:
            content = root.read()
        except NotFound:
            assert not acknowledged, f"lost by a failure at call {number}"
            assert root.listed() == []
        else:
            assert content == (LARGE if large else DATA)
            assert root.listed() == [ONE]
        assert root.names("staging") == []
        assert root.names("quarantine") == [] or not acknowledged
        root.close()
    assert number > (10 if large else 7)


def test_group_that_has_no_room_leaves_nothing_and_the_next_one_is_taken(
    root: Root, filesystem: FailingFileSystem
) -> None:
    root.perform(put())
    (segment,) = root.segments()
    size = segment.stat().st_size
    filesystem.fail(at=2, on=["write"], error=errno.ENOSPC)
    with pytest.raises(StorageFull):
        root.append(put(file_id(1), bytes(60_000)))
    assert segment.stat().st_size == size
    assert not root.disk.failed
    root.perform(put(file_id(2)))
    root.again()
    assert root.listed() == [ONE, file_id(2)]
    assert root.reports == []


def test_full_disk_is_told_from_a_broken_one(root: Root, filesystem: FailingFileSystem) -> None:
    writer = root.disk.new_writer()
    filesystem.fail(at=2, on=["write"], error=errno.ENOSPC)
    with pytest.raises(StorageFull):
        writer.write(LARGE)
    assert writer.size == 30_000  # what was written is counted, and can be taken back
    writer.take_back()
    assert writer.size == 0
    writer.write(LARGE)
    assert writer.checksum() == sha256(LARGE).hexdigest()
    root.disk.discard(writer)
    assert root.names("staging") == []


@pytest.mark.parametrize("kind", ["write", "fdatasync"])
def test_failed_append_is_never_retried(root: Root, filesystem: FailingFileSystem, kind: str) -> None:
    filesystem.fail(on=[kind])
    with pytest.raises(StorageUnavailable):
        root.append(put())
    assert root.disk.failed
    filesystem.log.clear()
    with pytest.raises(StorageUnavailable):
        root.append(put(file_id(1)))
    with pytest.raises(StorageUnavailable):
        root.stage(LARGE)
    assert not [step for step in filesystem.log if "sync" in step]
    root.again()
    disk = root.disk
    assert not disk.failed  # a restart reads back what is there
    root.perform(put(file_id(2)))


def test_bytes_that_a_doubtful_record_may_name_are_left_for_the_next_start(
    root: Root, filesystem: FailingFileSystem
) -> None:
    """The record may be on the disk all the same; without its bytes it would come back as a damaged file."""
    writer = root.disk.new_writer()
    writer.write(LARGE)
    name = root.disk.make_staged(writer)
    filesystem.fail(on=["fdatasync"])
    promised = root.stage(LARGE)
    with pytest.raises(StorageUnavailable):
        root.append(promised)
    root.disk.discard(writer)
    assert name in root.names("staging")
    root.again()
    assert root.read() == LARGE
    assert root.names("staging") == []


@pytest.mark.parametrize("content", [b"", b"{}", b"not json", b'{"schema_version": 2}', b"\xff" * 10, b"[]", b"null"])
def test_record_that_cannot_be_read_is_damage_and_no_absence(root: Root, content: bytes) -> None:
    root.perform(put())
    next((root.path / "files").rglob("*.attr.json")).write_bytes(content)
    with pytest.raises(FileDamaged):
        root.disk.attributes(ONE)


def test_record_that_rotted_is_damage(root: Root) -> None:
    root.perform(put())
    path = next((root.path / "files").rglob("*.attr.json"))
    path.write_text(path.read_text().replace("text/plain", "text/plaim"))
    with pytest.raises(FileDamaged):
        root.disk.attributes(ONE)


def test_record_of_another_file_is_damage(root: Root) -> None:
    root.perform(put())
    path = next((root.path / "files").rglob("*.attr.json"))
    other = file_id(0x1000)
    path.with_name(f"{other}.attr.json").write_bytes(path.read_bytes())
    with pytest.raises(FileDamaged):
        root.disk.attributes(other)


def test_fields_of_a_newer_element_are_kept(root: Root) -> None:
    root.perform(put(colour="green"))
    root.perform(change(ChangeKind.SET, revision=2, colour="green"))
    root.again()
    assert root.disk.attributes(ONE).model_dump()["colour"] == "green"


def test_missing_file_on_a_missing_disk_is_not_called_missing(root: Root) -> None:
    with pytest.raises(NotFound):
        root.disk.attributes(ONE)
    root.path.joinpath("artstore-element.json").unlink()
    for ask in (root.disk.attributes, root.disk.last_known, root.disk.measure_upload):
        with pytest.raises(StorageUnavailable):
            ask(ONE)


def test_every_error_of_the_disk_is_one_of_ours(root: Root) -> None:
    """A file in place of a directory, say: never an OSError for the edge to stumble over."""
    (logged,) = root.append(put())
    (root.path / "files").rmdir()
    (root.path / "files").write_text("in the way")
    with pytest.raises(ArtStoreError):
        root.disk.attributes(ONE)
    with pytest.raises(ArtStoreError):
        root.disk.apply(logged)
    root.close()
    with pytest.raises(ArtStoreError):
        root.open()


def test_logged_file_that_is_discarded_stays_and_nothing_else_is_closed(tmp_path: Path) -> None:
    """A request that is cancelled while it commits does just this."""
    root = Root(tmp_path, RealFileSystem())
    root.open()
    writer = root.disk.new_writer()
    writer.write(DATA)
    root.disk.make_staged(writer)
    root.disk.release(writer)
    other = root.disk.new_writer()  # gets the number of the file that was closed
    root.disk.discard(writer)
    other.write(DATA)
    root.disk.discard(other)
    assert root.names("staging") == [writer.path.name]
    root.close()


@pytest.mark.parametrize("times", [1, 2, 3])
def test_applying_again_changes_nothing(root: Root, times: int) -> None:
    history = [
        put(),
        change(ChangeKind.SET, revision=2, tags=["a"]),
        root.stage(LARGE, file_id(1)),
        put(file_id(2)),
        change(ChangeKind.DAMAGE, file_id(2), status="damaged", revision=2),
        put(file_id(3)),
        change(ChangeKind.PURGE, file_id(3)),
        put(file_id(4)),
        change(ChangeKind.DAMAGE, file_id(4), status="damaged", revision=2),
        put(file_id(4), revision=3),
    ]
    logged = root.append(*history)
    for _ in range(times):
        for one in logged:
            root.disk.apply(one)
    assert root.read() == DATA
    assert root.disk.attributes(ONE).tags == ["a"]
    assert root.read(file_id(1)) == LARGE
    assert root.disk.attributes(file_id(2)).status == "damaged"
    with pytest.raises(NotFound):
        root.disk.attributes(file_id(3))
    assert root.read(file_id(4)) == DATA
    assert len(root.names("quarantine")) == 2
    assert len(root.names("files")) == 2 + 2 + 1 + 0 + 2

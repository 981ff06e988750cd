"""What a start makes of staging/: uploads that go on, and what is left of those that ended."""

from __future__ import annotations

import errno
import os
from collections.abc import Iterator
from hashlib import sha256
from pathlib import Path

import pytest
from element_roots import DATA, NOW, ONE, Root, begin, change, put, record
from storage_element.disk.filesystem import RealFileSystem
from storage_element.store.agreement import Agreement
from storage_element.store.changes import Change, ChangeKind


@pytest.fixture
def root(tmp_path: Path) -> Iterator[Root]:
    made = Root(tmp_path / "root")
    made.open()
    yield made
    made.close()


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
def test_upload_with_an_unreadable_agreement_is_set_aside(root: Root, content: str) -> None:
    begin(root)
    root.again()  # the log, which could mend it, is gone after that
    (root.path / "staging" / f"{ONE}.upload.json").write_text(content)
    found = root.again()
    assert not found.uploads
    assert root.names("staging") == []
    assert root.reports == [("an upload that cannot be read was set aside", str(ONE))]
    kept = sorted((root.path / "quarantine").iterdir())
    assert [path.name.rsplit(".", 1)[0] for path in kept] == [f"{ONE}.part", f"{ONE}.upload.json"]
    assert [path.read_bytes() for path in kept] == [DATA, content.encode()]
    assert found.quarantine_bytes == len(DATA) + len(content)
    assert not root.again().uploads
    assert root.reports == []


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


class BadSectors(RealFileSystem):
    """Cannot read what lies under one number, whatever its name is by then."""

    def __init__(self, number: int) -> None:
        self._number = number

    def pread(self, handle: int, length: int, offset: int) -> bytes:
        if os.fstat(handle).st_ino == self._number:
            raise OSError(errno.EIO, "injected")
        return super().pread(handle, length, offset)


def test_agreement_that_the_disk_does_not_give_out_is_made_anew_from_the_log(root: Root) -> None:
    agreement = begin(root)
    number = (root.path / "staging" / f"{ONE}.upload.json").stat().st_ino
    assert root.again(BadSectors(number)).uploads == [(agreement, len(DATA))]
    assert root.reports == []

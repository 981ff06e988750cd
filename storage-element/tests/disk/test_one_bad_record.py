"""What cannot be read of one file concerns that file; what cannot be read of the disk concerns all of them."""

from __future__ import annotations

import errno
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, TypeVar
from uuid import UUID

import pytest
from artstore_core.errors import StorageUnavailable
from artstore_core.files import FileStatus
from element_faults import Interposed
from element_roots import DATA, NOW, ONE, STORAGE_ID, Root, change, file_id, put
from storage_element.disk.every_record import unreadable
from storage_element.disk.verification import Verification
from storage_element.store.agreement import Agreement
from storage_element.store.changes import ChangeKind

T = TypeVar("T")


class BadSectors(Interposed):
    """Names that cannot be opened."""

    def __init__(self, *names: str, error: int = errno.EIO) -> None:
        super().__init__()
        self._names, self._error = names, error

    def _call(self, name: str, act: Callable[..., T], *given: Any) -> T:
        if name == "open" and given[0].name in self._names:
            raise OSError(self._error, "injected")
        return act(*given)


@pytest.fixture
def root(tmp_path: Path) -> Iterator[Root]:
    """Two files, and no index."""
    made = Root(tmp_path / "root")
    made.open()
    made.perform(put(), put(file_id(1)))
    made.checkpoint()
    made.close()
    (made.path / "index.sqlite").unlink()
    yield made
    made.close()


@pytest.mark.parametrize("bad", [[f"{ONE}.attr.json"], [f"{ONE}.attr.json", f"{ONE}.data"]])
def test_record_on_a_bad_sector_keeps_no_other_file_from_being_served(root: Root, bad: list[str]) -> None:
    root.again(BadSectors(*bad))
    found = {file.file_id: file.status for _, file in root.disk.index.changes(0, 10, NOW)[0]}
    assert found == {ONE: FileStatus.DAMAGED, file_id(1): FileStatus.ACTIVE}
    assert root.read(file_id(1)) == DATA


def test_disk_that_went_away_makes_no_file_damaged(root: Root) -> None:
    class Gone(BadSectors):
        def names(self, path: Path) -> list[str]:
            found = super().names(path)
            if path.parent.name == "files":
                (root.path / "artstore-element.json").unlink(missing_ok=True)
            return found

    with pytest.raises(StorageUnavailable, match="not there"):
        root.again(Gone(f"{ONE}.attr.json"))


def test_process_without_descriptors_makes_no_file_damaged(root: Root) -> None:
    with pytest.raises(StorageUnavailable):
        root.again(BadSectors(f"{ONE}.attr.json", error=errno.EMFILE))
    root.again()
    assert [file.status for _, file in root.disk.index.changes(0, 10, NOW)[0]] == [FileStatus.ACTIVE] * 2


def test_verify_goes_on_past_a_bad_sector(root: Root) -> None:
    verification = Verification(root.path, BadSectors(f"{ONE}.attr.json"), STORAGE_ID)
    found = verification.run(lambda *_: None)
    assert [(problem.kind, problem.file_id) for problem in found.problems] == [("record unreadable", ONE)]
    assert "injected" in found.problems[0].detail
    assert (found.files, found.bytes) == (2, len(DATA))


def test_id_from_beyond_the_year_9999_has_the_last_time_there_is() -> None:
    last = UUID("ffffffff-ffff-7fff-bfff-ffffffffffff")
    assert unreadable(last, None).uploaded_at.year == 9999
    assert unreadable(ONE, None).uploaded_at.year == 2024


class BadPlaces(Interposed):
    """One kind of call fails for one name."""

    def __init__(self, kind: str, place: str, error: int = errno.EIO) -> None:
        super().__init__()
        self._kind, self._place, self._error = kind, place, error

    def _call(self, name: str, act: Callable[..., T], *given: Any) -> T:
        if name == self._kind and isinstance(given[0], Path) and given[0].name == self._place:
            raise OSError(self._error, "injected")
        return act(*given)


@pytest.mark.parametrize("error", [errno.EIO, errno.EUCLEAN])
@pytest.mark.parametrize("place", [f"{ONE}.part", f"{ONE}.parts", f"{ONE}.upload.json"])
def test_unfinished_upload_on_a_bad_sector_keeps_no_file_from_being_served(root: Root, place: str, error: int) -> None:
    root.open()
    part_size = 10 if place.endswith(".parts") else None
    root.disk.begin_upload(Agreement(file_id(2), 100, NOW, part_size=part_size))
    root.disk.begin_upload(Agreement(file_id(3), 100, NOW))
    found = root.again(BadPlaces("open", place.replace(str(ONE), str(file_id(2))), error))
    assert [agreement.upload_id for agreement, _ in found.uploads] == [file_id(3)]
    assert root.reports == [("an upload that cannot be read was set aside", str(file_id(2)))]
    assert root.names("staging") == [f"{file_id(3)}.part", f"{file_id(3)}.upload.json"]
    assert {name.rsplit(".", 1)[0] for name in root.names("quarantine")} >= {f"{file_id(2)}.part"}
    assert root.read() == DATA


def test_process_without_descriptors_sets_no_upload_aside(root: Root) -> None:
    root.open()
    root.disk.begin_upload(Agreement(file_id(2), 100, NOW))
    with pytest.raises(StorageUnavailable):
        root.again(BadPlaces("open", f"{file_id(2)}.upload.json", errno.EMFILE))
    assert [agreement.upload_id for agreement, _ in root.again().uploads] == [file_id(2)]


@pytest.mark.parametrize(
    ("kind", "place", "directory"),
    [
        ("unlink", f"{'0' * 32}.tmp", "staging"),
        ("rename", f"{file_id(2)}.part", "staging"),
        ("length", "x.data.00", "quarantine"),
    ],
)
def test_what_the_disk_does_not_let_go_of_stays_and_keeps_no_file_from_being_served(
    root: Root, kind: str, place: str, directory: str
) -> None:
    root.open()
    for name in (place, f"{file_id(2)}.upload.json"):
        (root.path / directory / name).write_bytes(b"x")
    root.again(BadPlaces(kind, place))
    assert place in root.names(directory)
    assert root.read() == DATA


@pytest.mark.parametrize("place", [f"{ONE}.attr.json", f"{ONE}.data"])
def test_purge_of_a_file_that_the_disk_does_not_let_go_of_ends(root: Root, place: str) -> None:
    root.open()
    root.append(change(ChangeKind.PURGE, status="deleted"))
    root.again(BadPlaces("unlink", place))
    assert root.listed() == [file_id(1)]
    assert [name for name in root.names("files") if str(ONE) in name] == [place]

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
from element_roots import DATA, NOW, ONE, STORAGE_ID, Root, file_id, put
from storage_element.disk.every_record import unreadable
from storage_element.disk.verification import Verification

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

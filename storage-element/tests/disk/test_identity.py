"""The marker says whose disk it is; only `init` writes it."""

from datetime import UTC, datetime
from pathlib import Path

import pytest
from artstore_core.errors import Conflict, StorageUnavailable
from artstore_core.modes import Mode
from element_faults import FailingFileSystem
from storage_element.disk.filesystem import RealFileSystem
from storage_element.disk.root import DataRoot

NOW = datetime(2026, 11, 21, tzinfo=UTC)


def root_of(path: Path, storage_id: str = "se-1") -> DataRoot:
    return DataRoot(path, RealFileSystem(), storage_id, lambda *_: None)


def test_init_makes_a_root_that_keeps_its_mode(tmp_path: Path) -> None:
    assert root_of(tmp_path / "a" / "b").initialise(Mode.RO, NOW)
    root = root_of(tmp_path / "a" / "b")
    root.check()
    assert root.mode() is Mode.RO
    found = root.open_root()
    assert (found.mode, found.uploads, sum(root.index.counts.values())) == (Mode.RO, [], 0)
    root.close_root()


def test_init_again_changes_nothing(tmp_path: Path) -> None:
    root_of(tmp_path).initialise(Mode.RO, NOW)
    before = {path: path.read_bytes() for path in tmp_path.iterdir() if path.is_file()}
    assert not root_of(tmp_path).initialise(Mode.EDIT, NOW)
    assert {path: path.read_bytes() for path in tmp_path.iterdir() if path.is_file()} == before


def test_init_refuses_another_elements_root(tmp_path: Path) -> None:
    root_of(tmp_path).initialise(Mode.RW, NOW)
    with pytest.raises(Conflict):
        root_of(tmp_path, "se-2").initialise(Mode.RW, NOW)


@pytest.mark.parametrize("stranger", ["notes.txt", "files/000/x.data"])
def test_init_refuses_a_directory_that_holds_something(tmp_path: Path, stranger: str) -> None:
    path = tmp_path / stranger
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("mine")
    with pytest.raises(Conflict):
        root_of(tmp_path).initialise(Mode.RW, NOW)
    assert path.read_text() == "mine"


def test_init_that_was_cut_short_can_be_done_again(tmp_path: Path) -> None:
    root_of(tmp_path).initialise(Mode.RW, NOW)
    (tmp_path / "artstore-element.json").unlink()
    assert root_of(tmp_path).initialise(Mode.EDIT, NOW)
    assert root_of(tmp_path).mode() is Mode.EDIT


def test_fresh_filesystem_with_lost_and_found_is_empty_enough(tmp_path: Path) -> None:
    (tmp_path / "lost+found").mkdir()
    assert root_of(tmp_path).initialise(Mode.RW, NOW)


@pytest.mark.parametrize("content", [None, "", "{}", "[]", "null", '{"storage_id": "se-2"}', "\xff"])
def test_missing_foreign_or_unreadable_marker_is_no_marker(tmp_path: Path, content: str | None) -> None:
    root = root_of(tmp_path)
    root.initialise(Mode.RW, NOW)
    marker = tmp_path / "artstore-element.json"
    marker.unlink()
    if content is not None:
        marker.write_text(content, encoding="latin-1")
    with pytest.raises(StorageUnavailable):
        root.check()
    with pytest.raises(StorageUnavailable):
        root.open_root()


def test_unreadable_mode_is_not_guessed(tmp_path: Path) -> None:
    root = root_of(tmp_path)
    root.initialise(Mode.RO, NOW)
    (tmp_path / "mode.json").write_text('{"mode": "everything"}')
    with pytest.raises(StorageUnavailable):
        root.mode()
    with pytest.raises(StorageUnavailable):
        root.open_root()
    root.close_root()


def test_init_that_was_killed_at_any_call_can_be_done_again(tmp_path: Path) -> None:
    at, done = 0, False
    while not done:
        at += 1
        path, dying = tmp_path / str(at), FailingFileSystem()
        dying.fail(at, for_ever=True)
        try:
            DataRoot(path, dying, "se-1", lambda *_: None).initialise(Mode.RW, NOW)
            done = True
        except StorageUnavailable:
            root_of(path).initialise(Mode.RW, NOW)
        root = root_of(path)
        assert root.open_root().mode is Mode.RW
        root.close_root()
        assert list((path / "staging").iterdir()) == []
    assert at > 10

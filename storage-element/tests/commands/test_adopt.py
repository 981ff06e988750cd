"""`adopt`: a copy of a data root becomes an element, whole (requirement S5)."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest
from element_roots import DATA, ONE, Root, change, file_id, put
from element_shell import LARGE, Shell, five_files, snapshot
from storage_element.store.changes import ChangeKind


@pytest.fixture
def root(tmp_path: Path) -> Root:
    return five_files(tmp_path / "root")


@pytest.fixture
def shell(root: Root, capsys: pytest.CaptureFixture[str]) -> Shell:
    return Shell(root.path, capsys)


def copy_of(root: Root, *, without: tuple[str, ...] = ()) -> Root:
    target = root.path.parent / "copy"
    shutil.copytree(root.path, target, ignore=shutil.ignore_patterns(*without))
    return Root(target, storage_id="se-new", make=False)


@pytest.fixture
def adopt(root: Root, capsys: pytest.CaptureFixture[str]) -> Shell:
    return Shell(root.path.parent / "copy", capsys, "se-new")


def test_adopted_copy_is_a_complete_element_in_a_new_epoch(root: Root, adopt: Shell) -> None:
    root.open()
    epoch = root.disk.index.epoch
    root.close()
    copy = copy_of(root)
    assert (adopt("adopt"), adopt.out) == (0, "se-new: adopted from se-1, mode edit\n")
    copy.open()
    assert copy.listed() == [file_id(number) for number in range(5)]
    assert copy.read(file_id(4)) == LARGE
    assert copy.disk.index.epoch != epoch
    copy.close()


def test_copy_of_files_alone_is_adopted_with_a_mode(root: Root, adopt: Shell) -> None:
    """The records are all the truth there is."""
    copy = copy_of(
        root, without=("artstore-element.json", "mode.json", "wal", "index.sqlite*", "staging", "maintenance")
    )
    before = snapshot(copy.path)
    assert adopt("adopt") == 1
    assert "--mode" in adopt.err
    assert snapshot(copy.path) == before
    assert (adopt("adopt", "--mode", "ro"), adopt.out) == (0, "se-new: adopted from nobody, mode ro\n")
    assert copy.open().mode == "ro"
    assert len(copy.listed()) == 5
    copy.close()


def test_log_of_the_copy_is_applied_first(root: Root, adopt: Shell) -> None:
    root.open()
    root.append(put(file_id(9)), root.stage(LARGE, file_id(10)), change(ChangeKind.SET, revision=2, tags=["last"]))
    root.close()
    copy = copy_of(root)
    assert adopt("adopt") == 0
    copy.open()
    assert copy.read(file_id(9)) == DATA
    assert copy.read(file_id(10)) == LARGE
    assert copy.disk.attributes(ONE).tags == ["last"]
    copy.close()


def test_log_that_nobody_can_vouch_for_is_refused(root: Root, adopt: Shell) -> None:
    root.open()
    root.append(put(file_id(9)))
    root.close()
    copy = copy_of(root, without=("artstore-element.json",))
    before = snapshot(copy.path)
    assert adopt("adopt") == 1
    assert "no marker" in adopt.err
    assert snapshot(copy.path) == before
    (copy.path / "artstore-element.json").write_text('{"storage_id": "se-yet-another"}')
    assert adopt("adopt") == 1
    assert "another element" in adopt.err
    assert Root(root.path).open().mode == "edit"


def test_damaged_log_of_a_copy_is_refused(root: Root, adopt: Shell) -> None:
    root.open()
    for number in (9, 10):
        root.append(put(file_id(number)))
    (segment,) = root.segments()
    root.close()
    copy = copy_of(root)
    content = bytearray(segment.read_bytes())
    content[300] ^= 1
    (copy.path / "wal" / segment.name).write_bytes(content)
    assert adopt("adopt") == 1
    assert "damaged" in adopt.err
    assert "se-1" in (copy.path / "artstore-element.json").read_text()


def test_anything_else_is_not_adopted(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for path in (tmp_path / "nothing", tmp_path / "empty"):
        (tmp_path / "empty").mkdir(exist_ok=True)
        shell = Shell(path, capsys)
        assert shell("adopt", "--mode", "rw") == 1
        assert "no files/" in shell.err
    assert list((tmp_path / "empty").iterdir()) == []


def test_restored_backup_of_this_very_element_gets_a_new_epoch(root: Root, shell: Shell) -> None:
    root.open()
    epoch = root.disk.index.epoch
    root.close()
    assert shell("adopt", "--mode", "ro") == 0
    assert root.open().mode == "ro"
    assert root.disk.index.epoch != epoch
    root.close()

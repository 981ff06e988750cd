"""`verify`: what is wrong is named, and nothing is changed."""

from __future__ import annotations

from pathlib import Path

import pytest
from artstore_core.files import FileStatus
from element_roots import NOW, Root, change, file_id, put
from element_shell import LARGE, Shell, data_of, five_files, snapshot
from storage_element.store.changes import ChangeKind


@pytest.fixture
def root(tmp_path: Path) -> Root:
    return five_files(tmp_path / "root")


@pytest.fixture
def shell(root: Root, capsys: pytest.CaptureFixture[str]) -> Shell:
    return Shell(root.path, capsys)


def test_whole_element_is_verified_and_nothing_is_changed(root: Root, shell: Shell) -> None:
    before = snapshot(root.path)
    assert shell("verify") == 0
    assert "5 files (5 active)" in shell.out
    assert "nothing is wrong" in shell.out
    assert "directories" in shell.err
    assert shell("verify", "--json") == 0
    assert (shell.json["ok"], shell.json["files"], shell.json["bytes"]) == (True, 5, 400 + len(LARGE))
    assert snapshot(root.path) == before


def test_every_flipped_bit_is_found(root: Root, shell: Shell) -> None:
    for number in range(5):
        path = data_of(root, number)
        content = bytearray(path.read_bytes())
        content[-1] ^= 1 << number
        path.write_bytes(content)
    assert shell("verify", "--json") == 1
    assert [(problem["kind"], problem["file_id"]) for problem in shell.json["problems"]] == [
        ("checksum mismatch", str(file_id(number))) for number in range(5)
    ]


def test_every_kind_of_damage_is_told(root: Root, shell: Shell) -> None:
    data_of(root, 0).unlink()
    data_of(root, 1).write_bytes(b"short")
    data_of(root, 2).with_suffix(".attr.json").write_text("{")
    data_of(root, 3).with_suffix(".attr.json").unlink()
    (root.path / "files" / "notes.txt").write_text("mine")
    (root.path / "mode.json").write_text("{}")
    assert shell("verify", "--json") == 1
    assert {(problem["kind"], problem["path"].rsplit("/", 1)[-1]) for problem in shell.json["problems"]} == {
        ("data missing", f"{file_id(0)}.data"),
        ("size mismatch", f"{file_id(1)}.data"),
        ("record unreadable", f"{file_id(2)}.attr.json"),
        ("record missing", f"{file_id(3)}.data"),
        ("stranger", "notes.txt"),
        ("mode unreadable", "mode.json"),
    }
    assert shell("verify") == 1
    assert "6 problems" in shell.out


def test_file_that_is_recorded_as_damaged_stays_a_problem(root: Root, shell: Shell) -> None:
    root.open()
    root.perform(
        change(ChangeKind.DAMAGE, status=FileStatus.DAMAGED, damage="checksum mismatch"),
        change(ChangeKind.SET, file_id(1), bytes([1]) * 100, status=FileStatus.DELETED, deleted_at=NOW),
    )
    root.checkpoint()
    root.close()
    assert shell("verify", "--json") == 1
    (problem,) = shell.json["problems"]
    assert (problem["kind"], problem["detail"]) == ("recorded as damaged", "checksum mismatch")
    assert shell.json["by_status"] == {"active": 3, "damaged": 1, "deleted": 1}


def test_what_is_only_in_the_log_is_told_and_is_no_damage(root: Root, shell: Shell) -> None:
    root.open()
    root.append(put(file_id(9)), root.stage(LARGE, file_id(10)), change(ChangeKind.SET, revision=2))
    root.close()
    assert shell("verify", "--json") == 0
    assert shell.json["log"] == {"records": 3, "torn_tail": None, "files_not_applied": 3}
    assert shell("verify") == 0
    assert "run `checkpoint`" in shell.out


def test_damaged_log_is_a_problem_and_a_torn_tail_is_none(root: Root, shell: Shell) -> None:
    root.open()
    root.append(put(file_id(9)))
    (segment,) = root.segments()
    end = segment.stat().st_size
    root.append(put(file_id(10)))
    root.close()
    whole = segment.read_bytes()
    segment.write_bytes(whole[: end + 60])
    assert shell("verify", "--json") == 0
    assert shell.json["log"]["torn_tail"].startswith(f"wal/{segment.name}, byte {end}")
    segment.write_bytes(whole[: end - 60] + b"x" + whole[end - 59 :])
    assert shell("verify", "--json") == 1
    assert [problem["kind"] for problem in shell.json["problems"]] == ["log damaged"]

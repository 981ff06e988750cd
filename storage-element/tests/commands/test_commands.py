"""The commands on real directories, in this process; settings stand for the environment."""

from __future__ import annotations

from pathlib import Path
from uuid import UUID

import pytest
from element_roots import DATA, ONE, Root, change, file_id, put
from element_shell import LARGE, Shell, data_of, five_files, snapshot
from storage_element.store.changes import ChangeKind


@pytest.fixture
def root(tmp_path: Path) -> Root:
    return five_files(tmp_path / "root")


@pytest.fixture
def shell(root: Root, capsys: pytest.CaptureFixture[str]) -> Shell:
    return Shell(root.path, capsys)


# init


def test_init_and_again(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    shell = Shell(tmp_path / "new", capsys)
    assert (shell("init", "--mode", "ro"), shell.out) == (0, "se-1: initialised, mode ro\n")
    assert (shell("init"), shell.out) == (0, "se-1: was initialised before, mode ro\n")
    shell.storage_id = "se-2"
    assert shell("init") == 1
    assert "another storage element" in shell.err


# adopt


@pytest.mark.parametrize("command", [["adopt"], ["checkpoint"], ["verify"], ["rebuild-index"]])
def test_running_element_is_left_alone(root: Root, shell: Shell, command: list[str]) -> None:
    root.open()
    before = snapshot(root.path)
    assert shell(*command) == 1
    assert "Another process" in shell.err
    if command == ["checkpoint"]:
        assert "POST /api/v1/maintenance/checkpoint" in shell.err
    assert snapshot(root.path) == before
    root.close()


# checkpoint, rebuild-index


def test_checkpoint_leaves_nothing_in_the_log(root: Root, shell: Shell) -> None:
    root.open()
    root.append(put(file_id(9)), root.stage(LARGE, file_id(10)))
    root.close()
    assert (shell("checkpoint"), shell.out) == (0, "se-1: checkpoint at change 7\n")
    assert [path.stat().st_size for path in root.segments()] == [128]
    assert root.names("staging") == []
    for path in (*root.segments(), *root.path.glob("index*")):
        path.unlink()
    root.again()
    assert len(root.listed()) == 7
    root.close()


def test_index_is_rebuilt_in_a_new_epoch_with_progress(root: Root, shell: Shell) -> None:
    root.open()
    epoch = root.disk.index.epoch
    root.append(put(file_id(9)))
    root.close()
    assert (shell("rebuild-index"), shell.out) == (0, "se-1: 6 files in the index\n")
    assert "directories" in shell.err
    root.again()
    assert root.disk.index.epoch != epoch
    assert len(root.listed()) == 6
    root.close()


def test_damaged_log_is_told_in_full_to_who_runs_a_command(root: Root, shell: Shell) -> None:
    root.open()
    (segment,) = root.segments()
    root.close()
    segment.write_bytes(b"x" * 200)
    for command in ("checkpoint", "rebuild-index"):
        assert shell(command) == 1
        assert f"se-1: The write-ahead log is damaged: wal/{segment.name}, byte 0" in shell.err
        assert "wal dump" in shell.err


def test_commands_refuse_a_directory_that_is_not_theirs(root: Root, shell: Shell) -> None:
    shell.storage_id = "se-2"
    before = snapshot(root.path)
    for command in ("checkpoint", "verify", "rebuild-index"):
        assert shell(command) == 1
        assert "another element" in shell.err
    (root.path / "artstore-element.json").unlink()
    for command in ("checkpoint", "verify", "rebuild-index"):
        assert shell(command) == 1
    assert set(snapshot(root.path)) == set(before) - {root.path / "artstore-element.json"}


# verify


# inspect


def test_all_of_one_file_is_told(root: Root, shell: Shell) -> None:
    before = snapshot(root.path)
    assert shell("inspect", str(ONE), "--json") == 0
    found = shell.json
    assert found["record"]["content"]["original_filename"] == "отчёт.txt"
    assert (found["data"]["size"], found["data"]["matches"]) == (100, True)
    assert (found["log"], found["index"]["sequence"], found["staging"], found["quarantine"]) == ([], 1, [], [])
    assert shell("inspect", str(ONE)) == 0
    assert "отчёт.txt" in shell.out
    assert {path: one for path, one in snapshot(root.path).items() if "index" not in path.name} == {
        path: one for path, one in before.items() if "index" not in path.name
    }


def test_running_element_can_be_inspected(root: Root, shell: Shell) -> None:
    root.open()
    root.append(put(file_id(9)), change(ChangeKind.SET, file_id(9), revision=2))
    assert shell("inspect", str(file_id(9)), "--json") == 0
    assert [(one["kind"], one["sequence"]) for one in shell.json["log"]] == [("PUT", 6), ("SET", 7)]
    assert (shell.json["record"]["present"], shell.json["index"]) == (False, None)
    root.close()


def test_damage_of_one_file_is_told(root: Root, shell: Shell) -> None:
    data_of(root, 0).write_bytes(b"x")
    assert shell("inspect", str(ONE)) == 1
    assert "NOT what the record says" in shell.out
    data_of(root, 1).with_suffix(".attr.json").write_text("{")
    assert shell("inspect", str(file_id(1)), "--json") == 0
    assert "unreadable" in shell.json["record"]
    assert shell.json["data"]["matches"] is None
    (root.path / "index.sqlite").write_bytes(b"no database" * 1000)
    assert shell("inspect", str(file_id(2)), "--json") == 0
    assert "unreadable" in shell.json["index"]


def test_unknown_file_ends_with_1(shell: Shell) -> None:
    assert shell("inspect", str(UUID(int=7))) == 1
    assert "nothing is known" in shell.out
    with pytest.raises(SystemExit, match="2"):
        shell("inspect", "../../etc/passwd")


# wal dump


def test_log_is_dumped_a_line_a_record(root: Root, shell: Shell) -> None:
    assert (shell("wal", "dump"), shell.out) == (0, "")
    root.open()
    staged = root.stage(LARGE, file_id(9))
    root.append(put(file_id(8)), staged)
    root.append(change(ChangeKind.PURGE, file_id(8)))
    (segment,) = root.segments()
    before = snapshot(root.path)
    assert shell("wal", "dump") == 0  # beside the element that writes it
    assert [
        (line["group"], line["sequence"], line["kind"], line["body_bytes"], line["staged"]) for line in shell.lines
    ] == [
        (1, 6, "PUT", len(DATA), None),
        (1, 7, "PUT", None, staged.staged),
        (2, 8, "PURGE", None, None),
    ]
    assert {line["segment"] for line in shell.lines} == {segment.name}
    assert [line["offset"] for line in shell.lines][:2] == [128, 128]
    assert snapshot(root.path) == before
    root.close()


def test_damaged_log_is_dumped_up_to_its_damage(root: Root, shell: Shell) -> None:
    root.open()
    ends = []
    for number in range(5, 8):
        root.append(put(file_id(number)))
        (segment,) = root.segments()
        ends.append(segment.stat().st_size)
    root.close()
    whole = segment.read_bytes()
    segment.write_bytes(whole[: ends[0] + 50] + b"x" + whole[ends[0] + 51 :])
    assert shell("wal", "dump") == 1
    record, damage = shell.lines
    assert record["sequence"] == 6
    assert (damage["segment"], damage["offset"]) == (segment.name, ends[0])
    segment.write_bytes(whole[: ends[1] + 50])
    assert shell("wal", "dump") == 0
    assert shell.lines[-1]["torn"]
    assert shell.lines[-1]["offset"] == ends[1]


def test_what_the_system_says_is_told_to_who_runs_a_command(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "file").touch()
    shell = Shell(tmp_path / "file" / "root", capsys)
    assert shell("init") == 1
    assert f"Not a directory: '{tmp_path / 'file' / 'root'}'" in shell.err

"""The commands on real directories, in this process; settings stand for the environment."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest
from artstore_core.files import FileStatus
from element_roots import DATA, NOW, ONE, Root, change, file_id, put
from storage_element.__main__ import main
from storage_element.config import DataRootSettings
from storage_element.store.changes import ChangeKind

LARGE = bytes(range(256)) * 5000


class Shell:
    """Runs commands on one directory as one element."""

    def __init__(self, path: Path, capsys: pytest.CaptureFixture[str], storage_id: str = "se-1") -> None:
        self.path, self._capsys = path, capsys
        self.storage_id = storage_id
        self.out = self.err = ""

    def __call__(self, *arguments: str) -> int:
        self._capsys.readouterr()
        code = main(arguments, DataRootSettings(storage_id=self.storage_id, data_dir=self.path))
        self.out, self.err = self._capsys.readouterr()
        return code

    @property
    def json(self) -> Any:
        return json.loads(self.out)

    @property
    def lines(self) -> list[Any]:
        return [json.loads(line) for line in self.out.splitlines()]


@pytest.fixture
def root(tmp_path: Path) -> Root:
    """Five files, all in their places; closed."""
    made = Root(tmp_path / "root")
    made.open()
    made.perform(*(put(file_id(number), bytes([number]) * 100) for number in range(4)))
    made.perform(made.stage(LARGE, file_id(4)))
    made.checkpoint()
    made.again()
    made.close()
    return made


@pytest.fixture
def shell(root: Root, capsys: pytest.CaptureFixture[str]) -> Shell:
    return Shell(root.path, capsys)


def snapshot(path: Path) -> dict[Path, bytes]:
    return {one: one.read_bytes() for one in path.rglob("*") if one.is_file()}


def data_of(root: Root, number: int) -> Path:
    (found,) = (root.path / "files").rglob(f"{file_id(number)}.data")
    return found


# init


def test_init_and_again(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    shell = Shell(tmp_path / "new", capsys)
    assert (shell("init", "--mode", "ro"), shell.out) == (0, "se-1: initialised, mode ro\n")
    assert (shell("init"), shell.out) == (0, "se-1: was initialised before, mode ro\n")
    shell.storage_id = "se-2"
    assert shell("init") == 1
    assert "another storage element" in shell.err


# adopt


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

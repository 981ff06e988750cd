"""The command as a process: exit codes, and what goes to which stream."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import threading
from collections import deque
from pathlib import Path

import pytest
from client_stand import CLIENT_ID, SECRET, Stand, problem

COMMAND = [sys.executable, "-m", "artstore_client"]
NOBODY = "018f0000-0000-7000-8000-000000000000"


class Shell:
    """Runs `artstore` in a folder and an environment of its own."""

    def __init__(self, folder: Path, stand: Stand) -> None:
        self.folder = folder
        self.env = {
            "HOME": str(folder),
            "PATH": os.environ["PATH"],
            "LANG": "C.UTF-8",
            "PYTHONWARNINGS": "error",
            **stand.environment(),
        }

    def start(self, *arguments: str) -> subprocess.Popen[bytes]:
        return subprocess.Popen(
            [*COMMAND, *arguments],
            cwd=self.folder,
            env=self.env,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
        )

    def run(self, *arguments: str, stdin: str = "") -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [*COMMAND, *arguments],
            cwd=self.folder,
            env=self.env,
            input=stdin,
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )


@pytest.fixture
def shell(stand: Stand, tmp_path: Path) -> Shell:
    return Shell(tmp_path, stand)


def test_a_folder_of_200_files_there_and_back(stand: Stand, shell: Shell) -> None:
    folder = shell.folder / "papers"
    for number in range(200):
        path = folder / f"{number % 7}" / f"файл {number}.txt"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(f"content {number}")
    up = shell.run("--output", "json", "upload", "papers", "--tag", "a", "--parallel", "8")
    assert (up.returncode, up.stderr) == (0, "")
    stored = json.loads(up.stdout)
    assert len(stored) == len(stand.files) == 200
    for item in stored:
        assert stand.content[item["file_id"]] == (shell.folder / item["path"]).read_bytes()
    (shell.folder / "down").mkdir()
    ids = [item["file_id"] for item in stored[:20]]
    down = shell.run("download", *ids, "-o", "down")
    assert (down.returncode, down.stderr) == (0, "")
    for line, item in zip(down.stdout.splitlines(), stored, strict=False):
        file_id, name = line.split("\t")
        assert file_id == item["file_id"]
        assert (shell.folder / name).read_bytes() == (shell.folder / item["path"]).read_bytes()


def test_what_fails_is_named_and_the_rest_is_done(stand: Stand, shell: Shell) -> None:
    (shell.folder / "a").write_text("a")
    (shell.folder / "b").write_text("b")
    stand.canned["POST /api/v1/files/upload"].append(problem(415, "TYPE_NOT_ALLOWED", "no programs"))
    done = shell.run("upload", "a", "missing", "b", "--parallel", "1")
    assert done.returncode == 1
    assert [line.split("\t")[1] for line in done.stdout.splitlines()] == ["b"]
    assert "artstore: a: TYPE_NOT_ALLOWED: no programs [request req-1]" in done.stderr
    assert "artstore: missing: No such file or directory" in done.stderr


@pytest.mark.parametrize("options", [[], ["--dry-run"]])
def test_a_link_that_leads_in_a_circle_is_named_and_the_rest_is_done(shell: Shell, options: list[str]) -> None:
    (shell.folder / "in").mkdir()
    (shell.folder / "in" / "circle").symlink_to("circle")
    for name in ("a", "z"):
        (shell.folder / "in" / name).write_text(name)
    done = shell.run("upload", "in", "--parallel", "1", *options)
    assert done.returncode == 1
    assert [line.split("\t")[1] for line in done.stdout.splitlines()] == ["in/a", "in/z"]
    assert "artstore: in/circle: Too many levels of symbolic links" in done.stderr


def test_a_download_that_fails_is_named_and_the_rest_is_done(stand: Stand, shell: Shell) -> None:
    file_id = stand.put(b"x", "a.txt")
    done = shell.run("download", NOBODY, file_id, "--output", "json")
    assert done.returncode == 1
    assert [item["path"] for item in json.loads(done.stdout)] == ["a.txt"]
    assert f"artstore: {NOBODY}: NOT_FOUND" in done.stderr


@pytest.mark.parametrize(
    "arguments",
    [
        ["nonsense"],
        ["upload"],
        ["upload", ""],
        ["info", "no-id"],
        ["search", "--limit", "0"],
        ["search", "--mode", "magic"],
        ["upload", "x", "--metadata", "nothing"],
        ["upload", "x", "--offline", "soon"],
        ["upload", "x", "--parts", "0"],
        ["upload", "x", "--metadata", "{"],
        ["download", NOBODY, "-o", "-", "--output", "json"],
        ["download", NOBODY, NOBODY, "-o", "one-file"],
    ],
)
def test_wrong_usage_is_2_and_asks_the_server_nothing(stand: Stand, shell: Shell, arguments: list[str]) -> None:
    done = shell.run(*arguments)
    assert (done.returncode, done.stdout, stand.requests) == (2, "", [])
    assert done.stderr


def test_no_configuration_is_2(shell: Shell) -> None:
    shell.env = {key: value for key, value in shell.env.items() if not key.startswith("ARTSTORE_")}
    shell.env["ARTSTORE_DATA_DIR"] = "none"
    done = shell.run("whoami")
    assert (done.returncode, done.stdout) == (2, "")
    assert "artstore login" in done.stderr


def test_a_refused_account_is_said_once(shell: Shell) -> None:
    shell.env["ARTSTORE_CLIENT_SECRET"] = "wrong"
    for name in "abc":
        (shell.folder / name).touch()
    done = shell.run("upload", "a", "b", "c")
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr == "artstore: invalid_client: unknown client\n"


def test_login_saves_what_works_and_only_that(stand: Stand, shell: Shell) -> None:
    shell.env = {key: value for key, value in shell.env.items() if not key.startswith("ARTSTORE_")}
    arguments = ["login", "--url", stand.url, "--client-id", CLIENT_ID, "--secret-stdin"]
    saved = shell.folder / ".config" / "artstore" / "config.json"
    refused = shell.run(*arguments, stdin="wrong\n")
    assert (refused.returncode, saved.exists()) == (1, False)
    done = shell.run(*arguments, stdin=f"{SECRET}\n")
    assert (done.returncode, saved.stat().st_mode & 0o777) == (0, 0o600)
    assert SECRET not in done.stdout + done.stderr
    assert json.loads(shell.run("whoami", "--output", "json").stdout)["subject"] == f"sa:{CLIENT_ID}"


def test_search_in_text_and_json(stand: Stand, shell: Shell) -> None:
    file_id = stand.put(b"xyz", "отчёт\x1b[2J\u202e.pdf")
    text = shell.run("search", "отчёт", "--tag", "a", "--ext", ".pdf", "--after", "2026-01-01")
    assert text.stdout == f"{file_id}\t3\t2026-11-21T12:00:00Z\tотчёт\\x1b[2J\\u202e.pdf\n"
    assert text.stderr == "artstore: 1-1 of 1\n"
    assert (stand.bodies[0]["tags"], stand.bodies[0]["file_extension"]) == (["a"], "pdf")
    page = shell.run("search", "--output", "json").stdout
    assert json.loads(page)["items"][0]["original_filename"] == "отчёт\x1b[2J\u202e.pdf"
    assert not {"\x1b", "\u202e"} & set(page)


def test_info_in_text_and_json(stand: Stand, shell: Shell) -> None:
    file_id = stand.put(b"x", "a.txt", tags=["б"])
    assert "original_filename\ta.txt\n" in shell.run("info", file_id).stdout
    assert json.loads(shell.run("info", file_id, "--output", "json").stdout)["tags"] == ["б"]
    missing = shell.run("info", NOBODY)
    assert (missing.returncode, missing.stdout) == (1, "")


def test_stdout_is_the_bytes_and_nothing_else(stand: Stand, shell: Shell) -> None:
    content = bytes(range(256)) * 9000
    stand.breaks = deque([100_000])
    out, err = shell.start("download", stand.put(content), "-o", "-").communicate(timeout=60)
    assert (out, err) == (content, b"")


@pytest.mark.parametrize("arguments", [["download", "-o", "-"], ["info"]])
def test_a_reader_that_leaves_ends_it_quietly(stand: Stand, shell: Shell, arguments: list[str]) -> None:
    process = shell.start(arguments[0], stand.put(bytes(4_000_000)), *arguments[1:])
    assert process.stdout
    assert process.stderr
    process.stdout.close()
    assert process.wait(60) == 141
    assert process.stderr.read() == b""
    process.stderr.close()


def test_ctrl_c_ends_it_quietly_and_leaves_no_half_file(stand: Stand, shell: Shell) -> None:
    served, goes_on = threading.Event(), threading.Event()
    stand.stall = (served, goes_on)
    process = shell.start("download", stand.put(bytes(4_000_000), "a.bin"))
    assert served.wait(30)
    process.send_signal(signal.SIGINT)
    out, err = process.communicate(timeout=30)
    goes_on.set()
    assert (process.returncode, out, err) == (130, b"", b"")
    assert list(shell.folder.iterdir()) == []


def test_a_rehearsal_asks_nobody(stand: Stand, shell: Shell) -> None:
    for name in ("in/a.txt", "in/b.log", "in/deep/c.txt", "in/.git/d.txt"):
        (shell.folder / name).parent.mkdir(parents=True, exist_ok=True)
        (shell.folder / name).write_text("four")
    done = shell.run("upload", "in", "--dry-run", "--include", "*.txt", "--exclude", ".git", "--output", "jsonl")
    assert [json.loads(line) for line in done.stdout.splitlines()] == [
        {"path": "in/a.txt", "size": 4},
        {"path": "in/deep/c.txt", "size": 4},
    ]
    assert (done.returncode, done.stderr, stand.requests) == (0, "artstore: 2 files, 8 bytes would be sent\n", [])


def test_json_lines_tell_of_failures_too(stand: Stand, shell: Shell) -> None:
    (shell.folder / "a").write_text("a")
    done = shell.run("upload", "a", "missing", "--parallel", "1", "--output", "jsonl")
    stored, failed = (json.loads(line) for line in done.stdout.splitlines())
    assert stand.content[stored["file_id"]] == b"a"
    assert failed == {"path": "missing", "error": {"code": "FileNotFoundError", "message": "No such file or directory"}}
    assert done.returncode == 1


def test_search_as_json_lines(stand: Stand, shell: Shell) -> None:
    ids = [stand.put(b"x", f"{number}.txt") for number in range(2)]
    lines = shell.run("search", "--output", "jsonl").stdout.splitlines()
    assert [json.loads(line)["file_id"] for line in lines] == ids


def test_an_artstore_that_stays_away_is_75(stand: Stand, shell: Shell) -> None:
    (shell.folder / "a").write_text("a")
    away = [problem(503, "STORAGE_UNAVAILABLE", "down", Retry_After="0")] * 100
    stand.canned["POST /api/v1/files/upload"] += away
    done = shell.run("upload", "a", "--offline", "0")
    assert (done.returncode, done.stdout) == (75, "")
    assert "artstore: a: STORAGE_UNAVAILABLE: down" in done.stderr
    shell.env["ARTSTORE_URL"] = "http://127.0.0.1:9"
    assert shell.run("whoami").returncode == 75


def test_an_artstore_that_comes_back_in_time_gets_the_file(stand: Stand, shell: Shell) -> None:
    (shell.folder / "a").write_text("a")
    stand.canned["POST /api/v1/files/upload"] += [problem(503, "STORAGE_UNAVAILABLE", "down", Retry_After="0")] * 6
    done = shell.run("upload", "a", "--offline", "1h")
    assert done.returncode == 0
    assert done.stderr == "artstore: a: waiting: STORAGE_UNAVAILABLE: down [request req-1]\n"
    assert len(stand.files) == 1


def test_the_version() -> None:
    done = subprocess.run([*COMMAND, "--version"], capture_output=True, text=True, check=True, timeout=30)
    assert done.stdout.startswith("artstore 0.")

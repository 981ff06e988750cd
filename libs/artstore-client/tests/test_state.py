"""What a killed upload leaves behind: whole or not there, and one process at a time uses it."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from uuid import uuid4

import pytest
from artstore_client import UploadPolicy, errors
from artstore_client.resumable.state import PartState, State, load, locked, named, sweep
from artstore_client.source import Fingerprint

NAME = named("https://store.example", "sa_1", "/a/b")


def saved(path: Path) -> State:
    state = State(Fingerprint(10, 7), 5, [PartState(str(uuid4())), PartState(None, 2)], path, "/a/b")
    state.save()
    return state


def test_what_was_saved_is_loaded(tmp_path: Path) -> None:
    with locked(tmp_path / "new", NAME) as path:
        assert load(path) is None
        state = saved(path)
        assert load(path) == state
        assert path.stat().st_mode & 0o777 == 0o600
        state.remove()
        state.remove()
    assert list((tmp_path / "new").iterdir()) == []
    assert (tmp_path / "new").stat().st_mode & 0o777 == 0o700


@pytest.mark.parametrize(
    "content", ["", "{", "[]", "null", '{"version": 2}', '{"version": 1, "parts": [{"id": "../x"}]}']
)
def test_what_cannot_be_read_is_no_upload(tmp_path: Path, content: str) -> None:
    (tmp_path / "x.json").write_text(content)
    assert load(tmp_path / "x.json") is None


def test_parts_that_begin_at_the_same_time_save_one_after_another(tmp_path: Path) -> None:
    state = saved(tmp_path / "x.json")
    with ThreadPoolExecutor(8) as pool:
        for done in [pool.submit(state.save) for _ in range(200)]:
            done.result()
    assert load(tmp_path / "x.json") == state


def test_a_key_is_the_same_for_the_same_upload_only(tmp_path: Path) -> None:
    state = saved(tmp_path / "x.json")
    again = load(tmp_path / "x.json")
    assert again is not None
    assert [again.key(0), again.key(1)] == [state.key(0), state.key(1)]
    again.parts[0].generation += 1
    assert len({state.key(0), state.key(1), again.key(0)}) == 3


def test_one_at_a_time(tmp_path: Path) -> None:
    with locked(tmp_path, NAME), pytest.raises(errors.AlreadyUploading), locked(tmp_path, NAME):
        pass
    with locked(tmp_path, NAME):
        pass


HOLD = """
import sys, time
from pathlib import Path
from artstore_client.resumable.state import locked
with locked(Path(sys.argv[1]), sys.argv[2]):
    print("held", flush=True)
    sys.stdin.read()
"""


def test_a_killed_process_lets_go(tmp_path: Path) -> None:
    holder = subprocess.Popen(
        [sys.executable, "-c", HOLD, str(tmp_path), NAME], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    assert holder.stdout
    assert holder.stdout.readline() == "held\n"
    with pytest.raises(errors.AlreadyUploading), locked(tmp_path, NAME):
        pass
    holder.kill()
    holder.communicate()
    with locked(tmp_path, NAME):
        pass


def test_what_nobody_came_back_for_is_removed(tmp_path: Path) -> None:
    old, young, held = ("old.json", "young.json", f"{NAME}.json")
    for name in (old, young, held, "old.lock"):
        (tmp_path / name).touch()
        os.utime(tmp_path / name, (0, 0) if name != young else None)
    with locked(tmp_path, NAME):
        sweep(tmp_path, time.time())
        assert (tmp_path / held).exists()
    assert {path.name for path in tmp_path.iterdir()} == {young, held}


@pytest.mark.parametrize(
    ("environ", "where"),
    [
        ({"HOME": "/h"}, "/h/.cache/artstore/uploads"),
        ({"HOME": "/h", "XDG_CACHE_HOME": "/c"}, "/c/artstore/uploads"),
        ({"HOME": "/h", "XDG_CACHE_HOME": "relative"}, "/h/.cache/artstore/uploads"),
    ],
)
def test_where_it_lies(environ: dict[str, str], where: str) -> None:
    assert UploadPolicy().states(environ) == Path(where)
    assert UploadPolicy(state_dir=Path("/s")).states(environ) == Path("/s")

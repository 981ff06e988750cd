"""`artstore`, as a person types it (U6)."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from world import World, sha256

pytestmark = pytest.mark.e2e
FILES = 200


def artstore(world: World, *arguments: str) -> subprocess.CompletedProcess[str]:
    environment = {**os.environ, "ARTSTORE_DATA_DIR": str(world.stack.data_dir)}
    command = [str(Path(sys.executable).parent / "artstore"), *arguments]
    return subprocess.run(command, capture_output=True, text=True, env=environment, check=False)


def test_folder_of_200_files_goes_up_is_found_and_comes_back(world: World, tmp_path: Path) -> None:
    folder = tmp_path / "Архив"
    for number in range(FILES):
        path = folder / f"папка {number % 7}" / f"документ {number:03}.txt"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(f"содержимое {number}".encode() + os.urandom(number * 50))
    up = artstore(world, "--output", "json", "upload", str(folder), "--tag", "двести")
    assert up.returncode == 0, up.stderr
    sent = json.loads(up.stdout)
    assert len(sent) == FILES

    found = artstore(world, "--output", "json", "search", "--tag", "двести", "--limit", "500")
    assert found.returncode == 0, found.stderr
    assert json.loads(found.stdout)["total"] == FILES

    back = tmp_path / "back"
    back.mkdir()
    names = {path.name: path for path in folder.rglob("*.txt")}
    ids = [item["file_id"] for item in json.loads(found.stdout)["items"]]
    down = artstore(world, "download", *ids, "-o", str(back))
    assert down.returncode == 0, down.stderr
    assert {path.name: sha256(path.read_bytes()) for path in back.iterdir()} == {
        name: sha256(path.read_bytes()) for name, path in names.items()
    }


def test_exit_codes_say_how_it_went(world: World, tmp_path: Path) -> None:
    assert artstore(world, "info", "00000000-0000-7000-8000-000000000000").returncode == 1
    assert artstore(world, "frobnicate").returncode == 2
    assert artstore(world, "upload", str(tmp_path / "nowhere")).returncode == 1
    assert artstore(world, "whoami").returncode == 0

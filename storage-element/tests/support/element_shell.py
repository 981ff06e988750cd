"""The element's commands, run in this process; settings stand for the environment."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from element_roots import Root, file_id, put
from storage_element.__main__ import main
from storage_element.config import DataRootSettings

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


def snapshot(path: Path) -> dict[Path, bytes]:
    return {one: one.read_bytes() for one in path.rglob("*") if one.is_file()}


def five_files(path: Path) -> Root:
    """A data root with five files, all in their places; closed."""
    made = Root(path)
    made.open()
    made.perform(*(put(file_id(number), bytes([number]) * 100) for number in range(4)))
    made.perform(made.stage(LARGE, file_id(4)))
    made.checkpoint()
    made.again()
    made.close()
    return made


def data_of(root: Root, number: int) -> Path:
    (found,) = (root.path / "files").rglob(f"{file_id(number)}.data")
    return found

"""The examples of docs/client.md run as they stand there, in both languages."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest
from world import ROOT, World

pytestmark = pytest.mark.e2e


def blocks(document: str, language: str) -> list[str]:
    text = (ROOT / "docs" / document).read_text(encoding="utf-8")
    return re.findall(rf"```{language}\n(.*?)```", text, re.DOTALL)


def commands(document: str) -> list[str]:
    """Those that need no other program."""
    lines = [line.removeprefix("$ ") for block in blocks(document, "console") for line in block.splitlines()]
    return [line for line in lines if "|" not in line]


@pytest.mark.parametrize("document", ["client.md", "client.ru.md"])
def test_examples_run(world: World, tmp_path: Path, document: str) -> None:
    (tmp_path / "scans").mkdir()
    (tmp_path / "scans" / "1.tif").write_bytes(b"II*\0 not much of a picture")
    paths = [str(Path(sys.executable).parent), os.environ["PATH"]]
    environment = {
        **os.environ,
        "PATH": os.pathsep.join(paths),
        "HOME": str(tmp_path),
        "ARTSTORE_DATA_DIR": str(world.stack.data_dir.absolute()),
    }
    examples = [[sys.executable, "-c", code] for code in blocks(document, "python")]
    examples += [["sh", "-c", command] for command in commands(document)]
    assert len(examples) == 6
    for example in examples:
        done = subprocess.run(example, capture_output=True, text=True, cwd=tmp_path, env=environment, check=False)
        assert done.returncode == 0, (example, done.stderr)

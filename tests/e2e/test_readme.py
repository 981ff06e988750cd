"""The tour in README runs as it stands there, in both languages."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import pytest
from world import ROOT, World, pdf

pytestmark = pytest.mark.e2e
MARK = "<!-- tour -->\n```bash\n"


def tour(readme: str) -> str:
    text = (ROOT / readme).read_text(encoding="utf-8")
    assert text.count(MARK) == 1
    return text.split(MARK)[1].split("```")[0]


@pytest.mark.parametrize("readme", ["README.md", "README.ru.md"])
def test_tour_does_what_it_says(world: World, tmp_path: Path, readme: str) -> None:
    (tmp_path / "Отчёт 2025.pdf").write_bytes(pdf("Annual report", pages=5))
    environment = {**os.environ, "ARTSTORE_DATA_DIR": str(world.stack.data_dir)}
    done = subprocess.run(
        ["bash", "-euo", "pipefail", "-c", tour(readme)],
        capture_output=True,
        text=True,
        cwd=tmp_path,
        env=environment,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert "<mark>договоров</mark>" in done.stdout
    sums = [line.split()[0] for line in done.stdout.splitlines()[-2:]]
    assert sums[0] == sums[1]
    assert len(sums[0]) == 64

"""A worker's directory ends with it, or with the start of the next one."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

from render_service.disk.workplace import workplace

_KILLED = """
import sys
from pathlib import Path
from render_service.disk.workplace import workplace
with workplace(Path(sys.argv[1])) as place:
    (place / "half.pdf").write_bytes(b"x")
    print(place, flush=True)
    sys.stdin.read()
"""


def test_it_is_gone_at_the_end(tmp_path: Path) -> None:
    with workplace(tmp_path) as place:
        (place / "half.pdf").touch()
        assert list(tmp_path.iterdir()) == [place]
    assert not list(tmp_path.iterdir())


def test_what_a_killed_worker_left_goes_and_what_another_uses_stays(tmp_path: Path) -> None:
    killed = subprocess.Popen(
        [sys.executable, "-c", _KILLED, str(tmp_path)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    assert killed.stdout is not None
    left = Path(killed.stdout.readline().strip())
    with workplace(tmp_path) as other:
        assert {left, other} == set(tmp_path.iterdir())
        killed.kill()
        killed.communicate()
        assert (left / "half.pdf").exists()
        with workplace(tmp_path) as third:
            assert {other, third} == set(tmp_path.iterdir())

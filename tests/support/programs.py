"""Programs that a test needs and a machine may lack."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest


def program(name: str) -> str:
    """Where it is: beside this Python (a package may bring it) or on the PATH. Skips the test where it is missing."""
    beside = str(Path(sys.executable).parent)
    found = shutil.which(name, path=os.pathsep.join([beside, os.environ.get("PATH", "")]))
    if found is None:
        pytest.skip(f"{name} is not installed here")
    return found


def run(name: str, *arguments: str | Path, seconds: float = 120) -> subprocess.CompletedProcess[bytes]:
    """The program's end, whatever its exit code; what it said is in `stdout` and `stderr`."""
    command = [program(name), *map(str, arguments)]
    return subprocess.run(command, capture_output=True, timeout=seconds, check=False)


def output(name: str, *arguments: str | Path, seconds: float = 120) -> bytes:
    """Its standard output. Fails the test when the program fails."""
    done = run(name, *arguments, seconds=seconds)
    assert done.returncode == 0, done.stderr.decode(errors="replace")[-2000:]
    return done.stdout

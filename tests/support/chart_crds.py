"""Custom resources against their definitions, which npm's @kubernetes-models carry: Gateway API, Envoy Gateway, cert-manager,
Prometheus operator. Their rules in CEL are not in there: those only an API server checks.
"""

from __future__ import annotations

import json
import shutil
import subprocess
from collections.abc import Sequence
from pathlib import Path

import pytest
from chart_renders import Manifest
from programs import program

SOURCES = Path(__file__).parent / "crd_js"


def installed_definitions(directory: Path) -> Path:
    """A directory with them. Skips the test where there is no Node, or no registry to install from."""
    shutil.copytree(SOURCES, directory, dirs_exist_ok=True)
    done = subprocess.run(
        [program("npm"), "ci", "--silent", "--no-audit", "--no-fund", "--ignore-scripts"],
        cwd=directory, capture_output=True, text=True, timeout=180, check=False,
    )  # fmt: skip
    if done.returncode != 0:
        pytest.skip(f"the definitions of custom resources cannot be installed: {done.stderr[-200:]}")
    return directory


def wrong(manifests: Sequence[Manifest], directory: Path) -> list[list[str]]:
    """What each one's definition refuses, in their order; fields that it does not know, and kinds without one, included."""
    done = subprocess.run(
        [program("node"), "check.mjs"],
        cwd=directory, input=json.dumps(manifests), capture_output=True, text=True, timeout=120, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr[-2000:]
    found: list[list[str]] = json.loads(done.stdout)
    return found

"""What can be said of the images and of compose.yaml without building or starting any."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from importlib.metadata import version
from pathlib import Path

import pytest
from compose_stack import compose_command
from world import ROOT


def test_bill_of_materials_names_what_is_installed() -> None:
    script = Path(__file__).with_name("sbom.py")
    done = subprocess.run(
        [sys.executable, str(script), "artstore/x", "1.2"], capture_output=True, text=True, check=True
    )

    bill = json.loads(done.stdout)

    assert (bill["bomFormat"], bill["specVersion"], bill["metadata"]["component"]["version"]) == (
        "CycloneDX",
        "1.6",
        "1.2",
    )
    names = {component["purl"]: component["name"] for component in bill["components"]}
    assert len(names) == len(bill["components"])
    assert f"pkg:pypi/fastapi@{version('fastapi')}" in names
    if shutil.which("dpkg-query"):
        assert any(purl.startswith("pkg:deb/debian/libc6@") for purl in names)


@pytest.mark.parametrize("profiles", ["", "s3", "observability", "s3,observability,tools"])
def test_compose_reads_its_file(profiles: str) -> None:
    if (command := compose_command()) is None:
        pytest.skip("there is neither `docker compose` nor `docker-compose` here")
    done = subprocess.run(
        [*command, "--file", str(ROOT / "compose.yaml"), "config", "--quiet"],
        env={"PATH": os.environ["PATH"], "COMPOSE_PROFILES": profiles},
        capture_output=True,
        text=True,
        check=False,
    )
    assert (done.returncode, done.stderr) == (0, "")

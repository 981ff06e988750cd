"""Real tus clients, as anybody would use them: tuspy, tus-js-client on Node, curl."""

from __future__ import annotations

import base64
import json
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from tusclient.client import TusClient

JS = Path(__file__).parent / "tus_js"
MIB = 1024 * 1024


@dataclass(frozen=True)
class Target:
    """Where to upload, as whom. `ca`: a file, for TLS."""

    endpoint: str
    token: str
    ca: str | None = None


@dataclass(frozen=True)
class TusJs:
    """tus-js-client, installed in a directory of its own."""

    directory: Path

    def run(self, target: Target, file: Path, storage: Path, **options: Any) -> tuple[int, dict[str, Any]]:
        """The exit code, and what the script said."""
        given = {"endpoint": target.endpoint, "token": target.token, "file": str(file), "storage": str(storage)}
        done = subprocess.run(
            ["node", str(self.directory / "upload.mjs"), json.dumps(given | options)],
            capture_output=True,
            text=True,
            timeout=120,
            check=False,
        )
        assert not done.stderr, done.stderr
        return done.returncode, json.loads(done.stdout) if done.stdout else {}


def installed_tus_js(directory: Path) -> TusJs:
    """Skips the test where there is no Node, or no registry to install from."""
    if shutil.which("node") is None or shutil.which("npm") is None:
        pytest.skip("node and npm are needed for tus-js-client")
    shutil.copytree(JS, directory, dirs_exist_ok=True)
    done = subprocess.run(
        ["npm", "ci", "--silent", "--no-audit", "--no-fund"],
        cwd=directory,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    if done.returncode != 0:
        pytest.skip(f"tus-js-client cannot be installed: {done.stderr[-200:]}")
    return TusJs(directory)


@contextmanager
def tuspy(target: Target, file: Path, chunk_size: int, url: str | None = None, **metadata: str) -> Iterator[Any]:
    """An uploader of tuspy, which sends SHA-1 checksums. The file is opened here, for it would leave it open."""
    client = TusClient(target.endpoint, headers={"Authorization": f"Bearer {target.token}"})
    with file.open("rb") as stream:
        yield client.uploader(
            file_stream=stream,
            chunk_size=chunk_size,
            metadata=metadata,
            url=url,
            retries=3,
            retry_delay=1,
            upload_checksum=True,
        )


def curl(target: Target, url: str, *arguments: str) -> str:
    """Status line and headers of the answer. Fails the test when curl does."""
    trust = [] if target.ca is None else ["--cacert", target.ca]
    headers = ["-H", f"Authorization: Bearer {target.token}", "-H", "Tus-Resumable: 1.0.0"]
    done = subprocess.run(
        ["curl", "-sS", "-D", "-", "-o", "/dev/null", *trust, *headers, *arguments, url],
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def header(answer: str, name: str) -> str:
    found = [line.partition(":")[2].strip() for line in answer.splitlines() if line.lower().startswith(f"{name}:")]
    assert found, answer
    return found[-1]


def encoded(**values: str) -> str:
    return ",".join(f"{name} {base64.b64encode(value.encode()).decode()}" for name, value in values.items())

"""Uppy, built from its packages and served as a page of another origin than the gateway's."""

from __future__ import annotations

import functools
import shutil
import subprocess
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

SOURCES = Path(__file__).parent / "uppy_js"
_BUNDLE = [
    "node",
    "node_modules/esbuild/bin/esbuild",
    "page.mjs",
    "--bundle",
    "--format=iife",
    "--outfile=site/page.js",
]


def built_page(directory: Path) -> Path:
    """A directory to be served. Skips the test where there is no Node, or no registry to install from."""
    if shutil.which("node") is None or shutil.which("npm") is None:
        pytest.skip("node and npm are needed for Uppy")
    shutil.copytree(SOURCES, directory, dirs_exist_ok=True)
    installed = _run(["npm", "ci", "--silent", "--no-audit", "--no-fund", "--ignore-scripts"], directory)
    if installed.returncode != 0:
        pytest.skip(f"Uppy cannot be installed: {installed.stderr[-200:]}")
    bundled = _run([*_BUNDLE, "--log-level=error"], directory)
    assert bundled.returncode == 0, bundled.stderr
    shutil.copy(directory / "index.html", directory / "site")
    return directory / "site"


def _run(command: Sequence[str], directory: Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(command, cwd=directory, capture_output=True, text=True, timeout=300, check=False)


class _Quiet(SimpleHTTPRequestHandler):
    def log_message(self, format: str, *args: object) -> None:
        del format, args


@contextmanager
def served(directory: Path, port: int) -> Iterator[None]:
    """On all of the loopback's names, until the block ends."""
    with ThreadingHTTPServer(("127.0.0.1", port), functools.partial(_Quiet, directory=str(directory))) as server:
        serving = threading.Thread(target=server.serve_forever, daemon=True)
        serving.start()
        try:
            yield
        finally:
            server.shutdown()
            serving.join()

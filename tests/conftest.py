"""One running stack for all the tests that need the whole."""

from __future__ import annotations

import os
import ssl
from collections.abc import Iterator
from pathlib import Path
from tempfile import TemporaryDirectory

import httpx
import pytest
from artstore_stack import Stack
from world import MAX_UPLOAD_BYTES, World, free_port_base

SETTINGS = {"AM_ELEMENT_POLL_SECONDS": "1", "IG_MAX_UPLOAD_BYTES": str(MAX_UPLOAD_BYTES)}


@pytest.fixture(scope="session")
def stack() -> Iterator[Stack]:
    with TemporaryDirectory(prefix="artstore-e2e-") as directory:
        stack = Stack(Path(directory) / "data", free_port_base(), {**os.environ, **SETTINGS})
        stack.up()
        try:
            yield stack
        finally:
            stack.down()


@pytest.fixture(scope="session")
def world(stack: Stack) -> Iterator[World]:
    trusted = ssl.create_default_context(cafile=str(stack.credentials["ca"]))
    with httpx.Client(verify=trusted, timeout=60, trust_env=False) as http:
        yield World(stack, http)

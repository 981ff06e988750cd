"""One running stack for all the tests that need the whole (one in each of pytest-xdist's workers).

`E2E_TARGET=compose` (`make test-compose`): the containers of compose.yaml instead of processes.
"""

from __future__ import annotations

import os
import ssl
from collections.abc import Iterator
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING

import httpx
import pytest
from artstore_stack import Stack
from chromium import running_chromium
from compose_stack import ComposeStack, why_not
from console_people import People
from console_visitor import Visitors
from world import MAX_UPLOAD_BYTES, World, free_port_base, page_origin, port_bases

if TYPE_CHECKING:
    from playwright.sync_api import Browser

SETTINGS = {
    "AM_ELEMENT_POLL_SECONDS": "1",
    "IG_MAX_UPLOAD_BYTES": str(MAX_UPLOAD_BYTES),
    # Small files shall take the ways of large ones here; that memory answers as an element does is query's own test.
    "QM_CONTENT_BYTES": "0",
}


@pytest.fixture(scope="session")
def stack(worker_id: str) -> Iterator[Stack]:
    with TemporaryDirectory(prefix="artstore-e2e-") as directory:
        base = free_port_base(port_bases(worker_id))
        environment = {**os.environ, **SETTINGS, "GW_CORS_ORIGINS": page_origin(base)}
        stack = _target()(Path(directory) / "data", base, environment)
        try:
            stack.up()
            yield stack
        finally:
            stack.reset()


def _target() -> type[Stack]:
    match os.environ.get("E2E_TARGET", "processes"):
        case "processes":
            return Stack
        case "compose":
            missing = why_not()
            assert missing is None, f"E2E_TARGET=compose: {missing}"
            return ComposeStack
        case other:
            raise ValueError(f"E2E_TARGET is processes or compose, not {other!r}")


@pytest.fixture(scope="session")
def world(stack: Stack) -> Iterator[World]:
    trusted = ssl.create_default_context(cafile=str(stack.credentials["ca"]))
    with httpx.Client(verify=trusted, timeout=60, trust_env=False) as http:
        yield World(stack, http)


@pytest.fixture(scope="module")
def chromium() -> Iterator[Browser]:
    """A browser of this module's own; skipped where there is none."""
    with running_chromium() as browser:
        yield browser


@pytest.fixture(scope="session")
def people(world: World) -> People:
    """Who works with the console."""
    return People.of(world)


@pytest.fixture(scope="module")
def visitors(chromium: Browser, world: World, people: People) -> Visitors:
    """Windows upon the console."""
    return Visitors(chromium, world.gateway, people.passwords)

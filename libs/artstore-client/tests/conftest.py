"""Fixtures: a stand-in server, and clients for it."""

from __future__ import annotations

import sys
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest

# pytest's importlib mode leaves the tests' own helper modules unfindable.
sys.path.insert(0, str(Path(__file__).parent))

from artstore_client import AsyncArtStore
from client_stand import Stand, running_stand


@pytest.fixture
def stand() -> Iterator[Stand]:
    with running_stand() as running:
        yield running


@pytest.fixture
async def store(stand: Stand) -> AsyncIterator[AsyncArtStore]:
    async with AsyncArtStore(stand.config()) as client:
        yield client

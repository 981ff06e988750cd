from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import pytest_asyncio
from artstore_gateway.testing import Gateway, running_gateway

ORIGIN = "https://app.example"


@pytest_asyncio.fixture(scope="session")
async def gateway(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Gateway]:
    """One Envoy for all tests that do not change it."""
    directory: Path = tmp_path_factory.mktemp("gateway")
    async with running_gateway(directory, cors_origins=ORIGIN) as running:
        yield running

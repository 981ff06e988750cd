"""A client that dawdles holds one connection of its element and nothing more; one that goes away lets it go."""

from __future__ import annotations

import os

import pytest
from slow_readers import slow_readers
from world import World, within

pytestmark = pytest.mark.e2e
MIB = 1024 * 1024
READERS = 8
BACKGROUND = 2
"""Requests that the services may have under way among themselves at any moment."""
SECONDS = 60.0


def in_flight(world: World, service: str) -> int:
    """Requests that it is answering now, this one left out."""
    url = {**world.credentials["services"], **world.credentials["storage_elements"]}[service]
    for line in world.http.get(f"{url}/metrics").text.splitlines():
        if line.startswith("artstore_http_requests_in_flight "):
            return int(float(line.split()[1])) - 1
    raise AssertionError("there is no artstore_http_requests_in_flight")


@pytest.fixture(scope="module")
def file_id(world: World) -> str:
    """More than all the buffers on the way can hold."""
    return str(world.uploaded(os.urandom(64 * MIB), "slow.bin")["file_id"])


@pytest.mark.parametrize("way", ["query", "gateway"])
async def test_clients_that_go_away_let_the_element_go(world: World, file_id: str, way: str) -> None:
    base = world.gateway if way == "gateway" else world.credentials["services"]["query"]
    url = f"{base}/api/v1/files/{file_id}/download"
    within(SECONDS, lambda: in_flight(world, "se-rw-1") <= BACKGROUND, "the element is at rest")
    async with slow_readers(READERS, url, world.bearer()) as readers:
        assert [reader.status for reader in readers] == [200] * READERS
        for reader in readers:
            await reader.read(1024)
        assert in_flight(world, "se-rw-1") >= READERS
    within(SECONDS, lambda: in_flight(world, "se-rw-1") <= BACKGROUND, "the element has let go")
    within(SECONDS, lambda: in_flight(world, "query") <= BACKGROUND, "query has let go")

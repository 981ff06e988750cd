"""Elements that are killed under many downloads: no wrong byte, and nothing cut off is taken for whole.

The full measure is `make soak-download`.
"""

from __future__ import annotations

import os
from collections.abc import AsyncIterator

import httpx
import pytest
from restart_storm import storm
from world import World

pytestmark = pytest.mark.e2e
MIB = 1024 * 1024
DOWNLOADS = 20
SIZE = 2 * MIB + 17


@pytest.fixture
async def http() -> AsyncIterator[httpx.AsyncClient]:
    async with httpx.AsyncClient(timeout=120, trust_env=False) as client:
        yield client


async def test_no_byte_is_wrong_and_no_cut_is_taken_for_the_end(world: World, http: httpx.AsyncClient) -> None:
    """Query goes on by itself for its clients; a client of the gateway sees the cut, and goes on."""
    large = os.urandom(64 * MIB)
    url = f"{world.gateway}/api/v1/files/{world.uploaded(large, 'cut.bin')['file_id']}/download"
    body = bytearray()
    async with http.stream("GET", url, headers=world.bearer()) as answer:
        arriving = answer.aiter_raw()
        body += await anext(arriving)
        ways = [world.credentials["services"]["query"], world.gateway]
        tallies = await storm(world, ways, os.urandom(SIZE), downloads=DOWNLOADS, kills=1)
        # More was still to come than all the buffers on the way can hold.
        with pytest.raises(httpx.TransportError):
            async for piece in arriving:
                body += piece
    rest = await http.get(url, headers={**world.bearer(), **from_there(body, answer)})
    assert (rest.status_code, body + rest.content == large) == (206, True)
    for tally in tallies:
        assert (tally.wrong, tally.short, tally.given_up) == (0, 0, 0), str(tally)
        assert tally.whole >= DOWNLOADS, str(tally)


def from_there(body: bytes | bytearray, answer: httpx.Response) -> dict[str, str]:
    assert 0 < len(body) < int(answer.headers["content-length"])
    return {"Range": f"bytes={len(body)}-", "If-Range": answer.headers["etag"]}

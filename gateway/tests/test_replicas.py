"""Several replicas of a service: one that is away is nobody's concern."""

from __future__ import annotations

import asyncio
from pathlib import Path

import httpx
import pytest
from artstore_gateway.testing import Upstream, free_ports, running_gateway

pytestmark = pytest.mark.integration

LOGIN = "/api/v1/auth/login"  # POST: nothing that may be sent twice


async def test_requests_go_to_all_replicas_and_around_one_that_is_away(tmp_path: Path) -> None:
    first, second = free_ports(2)
    addresses = f"http://127.0.0.1:{first}, http://127.0.0.1:{second}"
    async with running_gateway(tmp_path, admin_url=addresses) as gateway:
        replicas = [Upstream(f"admin {number}", port, gateway.keys.jwks) for number, port in ((1, first), (2, second))]
        for replica in replicas:
            await replica.start()
        try:
            # Envoy came before they did, and leaves one out for the moment in which it could not fetch keys there.
            met: set[str] = set()
            async with asyncio.timeout(10):
                while met != {"admin 1", "admin 2"}:
                    met.add(await answered_by(gateway.client, gateway.url))

            await replicas[0].stop()
            assert {await answered_by(gateway.client, gateway.url) for _ in range(50)} == {"admin 2"}
        finally:
            for replica in replicas:
                await replica.stop()


async def answered_by(client: httpx.AsyncClient, url: str) -> str:
    response = await client.post(url + LOGIN, json={})
    assert response.status_code == 200, response.text
    name: str = response.json()["service"]
    return name

"""Several replicas of a service: one that is away, or about to be, is nobody's concern."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import httpx
import pytest
from artstore_gateway.testing import Gateway, Upstream, free_ports, running_gateway

pytestmark = pytest.mark.integration

LOGIN = "/api/v1/auth/login"  # POST: nothing that may be sent twice


async def test_requests_go_to_all_replicas_and_around_one_that_is_away(tmp_path: Path) -> None:
    async with two_admins(tmp_path) as (gateway, replicas):
        await replicas[0].stop()
        assert {await answered_by(gateway.client, gateway.url) for _ in range(50)} == {"admin 2"}


async def test_many_requests_at_once_go_around_one_that_is_away(tmp_path: Path) -> None:
    """They meet it together: each is sent on, and not the first few alone."""
    async with two_admins(tmp_path) as (gateway, replicas):
        await replicas[0].stop()
        answers = await asyncio.gather(*(answered_by(gateway.client, gateway.url) for _ in range(100)))
        assert set(answers) == {"admin 2"}


async def test_downloads_go_around_one_that_is_away(tmp_path: Path) -> None:
    first, second = free_ports(2)
    addresses = f"http://127.0.0.1:{first}, http://127.0.0.1:{second}"
    async with running_gateway(tmp_path, query_url=addresses) as gateway:
        replica = Upstream("query 2", second, gateway.keys.jwks)
        await replica.start()
        try:
            url, headers = f"{gateway.url}/api/v1/files/x1/download", gateway.bearer()
            answers = await asyncio.gather(*(gateway.client.get(url, headers=headers) for _ in range(100)))
        finally:
            await replica.stop()
    assert {answer.status_code for answer in answers} == {200}


async def test_one_that_is_about_to_stop_gets_nothing_more_and_all_are_asked_where_none_is_ready(
    tmp_path: Path,
) -> None:
    async with two_admins(tmp_path) as (gateway, replicas):
        replicas[0].ready = False
        await until_met(gateway, {"admin 2"})
        assert {await answered_by(gateway.client, gateway.url) for _ in range(50)} == {"admin 2"}

        replicas[1].ready = False
        await until_met(gateway, {"admin 1", "admin 2"})


@asynccontextmanager
async def two_admins(directory: Path) -> AsyncIterator[tuple[Gateway, list[Upstream]]]:
    """Both known to the gateway as ready."""
    first, second = free_ports(2)
    addresses = f"http://127.0.0.1:{first}, http://127.0.0.1:{second}"
    async with running_gateway(directory, admin_url=addresses) as gateway:
        replicas = [Upstream(f"admin {number}", port, gateway.keys.jwks) for number, port in ((1, first), (2, second))]
        for replica in replicas:
            await replica.start()
        try:
            # Envoy came before they did, and leaves one out for the moment in which it could not fetch keys there.
            await until_met(gateway, {"admin 1", "admin 2"})
            yield gateway, replicas
        finally:
            for replica in replicas:
                await replica.stop()


async def until_met(gateway: Gateway, names: set[str]) -> None:
    """Asks, some requests at a time, until these are the ones who answer."""
    async with asyncio.timeout(10):
        while {await answered_by(gateway.client, gateway.url) for _ in range(10)} != names:
            continue


async def answered_by(client: httpx.AsyncClient, url: str) -> str:
    response = await client.post(url + LOGIN, json={})
    assert response.status_code == 200, response.text
    name: str = response.json()["service"]
    return name

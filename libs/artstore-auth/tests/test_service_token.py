"""A service's own tokens: fetched once, renewed in time, retried where that is safe."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from urllib.parse import parse_qs

import httpx
import pytest
from artstore_auth.service_token import ServiceAuth, TokenRefused, TokenSource
from pydantic import SecretStr


class World:
    """A token endpoint and a service behind it that accepts only the newest token."""

    def __init__(self) -> None:
        self.asked = self.issued = 0
        self.revoked_below = 0
        self.lifetime = 900
        self.refuse = False
        self.resources: list[str] = []

    def answer(self, request: httpx.Request) -> httpx.Response:
        if request.url.path == "/token":
            return self._issue(request)
        number = int(request.headers["authorization"].removeprefix("Bearer t"))
        return httpx.Response(401 if number <= self.revoked_below else 200)

    def _issue(self, request: httpx.Request) -> httpx.Response:
        self.asked += 1
        if self.refuse:
            return httpx.Response(401, json={"error": "invalid_client"})
        assert request.headers["authorization"].startswith("Basic ")
        self.resources += parse_qs(request.content.decode())["resource"]
        self.issued += 1
        return httpx.Response(200, json={"access_token": f"t{self.issued}", "expires_in": self.lifetime})


@pytest.fixture
def world() -> World:
    return World()


@pytest.fixture
async def client(world: World) -> AsyncIterator[httpx.AsyncClient]:
    async with httpx.AsyncClient(transport=httpx.MockTransport(world.answer), base_url="http://x") as client:
        yield client


@pytest.fixture
def source(client: httpx.AsyncClient) -> TokenSource:
    return TokenSource(client, "/token", "sa_ingester_1", SecretStr("secret"))


async def renewed() -> None:
    """What goes on beside the requests has come to its end."""
    renewals = [task for task in asyncio.all_tasks() if task.get_name() == "token for a"]
    assert renewals
    await asyncio.wait(renewals)


async def test_many_at_once_cost_one_token(world: World, source: TokenSource) -> None:
    assert set(await asyncio.gather(*(source.token("a") for _ in range(20)))) == {"t1"}
    assert world.issued == 1


async def test_each_target_has_its_own(world: World, source: TokenSource) -> None:
    assert await source.token("a") != await source.token("b")
    assert world.resources == ["a", "b"]


async def test_token_near_its_end_is_renewed_while_it_serves(world: World, source: TokenSource) -> None:
    world.lifetime = 30
    assert [await source.token("a") for _ in range(2)] == ["t1", "t1"]
    await renewed()
    assert await source.token("a") == "t2"


async def test_token_at_its_end_is_waited_for(world: World, source: TokenSource) -> None:
    world.lifetime = 5
    assert [await source.token("a") for _ in range(2)] == ["t1", "t2"]


async def test_token_near_its_end_serves_while_no_other_can_be_had(world: World, source: TokenSource) -> None:
    world.lifetime = 30
    assert await source.token("a") == "t1"
    world.refuse = True
    assert [await source.token("a") for _ in range(3)] == ["t1"] * 3
    await renewed()
    world.refuse = False
    assert await source.token("a") == "t1"
    await renewed()
    assert await source.token("a") == "t2"


async def test_all_who_wait_for_a_token_wait_for_the_same(world: World, source: TokenSource) -> None:
    world.refuse = True
    waiting = [asyncio.create_task(source.token("a")) for _ in range(20)]
    await asyncio.sleep(0)
    waiting[0].cancel()
    found = await asyncio.gather(*waiting, return_exceptions=True)
    assert [type(one) for one in found] == [asyncio.CancelledError, *[TokenRefused] * 19]
    assert world.asked == 1


async def test_revoked_token_is_replaced_and_the_request_sent_again(
    world: World, source: TokenSource, client: httpx.AsyncClient
) -> None:
    auth = ServiceAuth(source, "a")
    assert (await client.get("/thing", auth=auth)).status_code == 200
    world.revoked_below = 1
    assert (await client.get("/thing", auth=auth)).status_code == 200
    assert world.issued == 2


async def test_stream_is_never_sent_twice(world: World, source: TokenSource, client: httpx.AsyncClient) -> None:
    await source.token("a")
    world.revoked_below = 1

    async def body() -> AsyncIterator[bytes]:
        yield b"x"

    assert (await client.put("/thing", content=body(), auth=ServiceAuth(source, "a"))).status_code == 401
    assert (await client.put("/thing", content=body(), auth=ServiceAuth(source, "a"))).status_code == 200


async def test_refusal_is_an_httpx_error(world: World, source: TokenSource, client: httpx.AsyncClient) -> None:
    world.refuse = True
    with pytest.raises(TokenRefused):
        await client.get("/thing", auth=ServiceAuth(source, "a"))

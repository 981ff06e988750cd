"""Refusals: seen at once, counted when they repeat, bounded when they flood."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

import httpx
import pytest
from artstore_audit import Denials, Entry
from artstore_auth.guard import Guard
from artstore_auth.verify import TokenVerifier
from artstore_core.errors import QuotaExceeded
from artstore_core.scopes import PUBLIC_AUDIENCE, Scope
from artstore_kit.app import ServiceInfo, create_app
from artstore_testing.tokens import TokenIssuer
from fastapi import APIRouter, Depends


class World:
    def __init__(self, issuer: TokenIssuer, seconds: float = 60, kinds: int = 256) -> None:
        self.entries: list[Entry] = []
        self.came = asyncio.Event()
        self.denials = Denials(self._report, seconds=seconds, kinds=kinds)
        guard = Guard(TokenVerifier(issuer.keys, issuer=issuer.issuer, audiences=[PUBLIC_AUDIENCE]))
        routes = APIRouter()

        @routes.get("/things/{thing}", dependencies=[Depends(guard.require(Scope.ADMIN_READ))])
        async def thing(thing: str) -> str:
            if thing == "full":
                raise QuotaExceeded("The quota is used up", details={"files": "10 of 10"})
            return thing

        @routes.get("/tiles/{view}/image.dzi", dependencies=[Depends(guard.require(Scope.ADMIN_READ))])
        async def tiles(view: str) -> str:
            return view

        self.app = create_app(ServiceInfo("test", "1", "Test"), routers=[routes], refused=self.denials.refused)

    def _report(self, entry: Entry) -> None:
        self.entries.append(entry)
        self.came.set()

    def client(self, address: str = "192.0.2.1") -> httpx.AsyncClient:
        return httpx.AsyncClient(transport=httpx.ASGITransport(self.app, client=(address, 1)), base_url="http://test")


@pytest.fixture
async def world(issuer: TokenIssuer) -> AsyncIterator[World]:
    made = World(issuer)
    yield made
    made.denials.close()


async def test_a_refusal_says_who_what_when_and_from_where(world: World, issuer: TokenIssuer) -> None:
    async with world.client() as http:
        assert (await http.get("/things/1")).status_code == 401
        await http.get("/things/1", headers=issuer.bearer(claims={"exp": 1}))
        answer = await http.get("/things/2", headers=issuer.bearer() | {"X-Request-Id": "mine"})
        assert answer.status_code == 403
        await http.get("/things/full", headers=issuer.bearer(["admin:read"]))
        assert (await http.get("/things/3", headers=issuer.bearer(["admin:read"]))).status_code == 200
        await http.get("/things/4")
        await http.get("/tiles/s3cr3t/image.dzi")
    seen = [(one.actor, one.target, one.details["code"]) for one in world.entries]
    assert seen == [
        ("anonymous", "GET /things/1", "UNAUTHORIZED"),
        ("anonymous", "GET /things/1", "UNAUTHORIZED"),
        ("sa:sa_test_0001", "GET /things/2", "FORBIDDEN"),
        ("sa:sa_test_0001", "GET /things/full", "QUOTA_EXCEEDED"),
        ("anonymous", "GET /tiles/{view}/image.dzi", "UNAUTHORIZED"),
    ]
    assert world.entries[2].request_id == "mine"
    assert world.entries[2].address == "192.0.2.1"
    assert world.entries[3].details["files"] == "10 of 10"


async def test_what_repeats_is_one_entry_with_a_number(world: World) -> None:
    async with world.client() as http:
        for number in range(50):
            await http.get(f"/things/{number}")
    assert len(world.entries) == 1
    world.denials.close()
    first, rest = world.entries
    assert rest.details["repeated"] == 49
    assert rest.actor == first.actor == "anonymous"
    assert rest.entry_id != first.entry_id


async def test_a_window_ends_by_itself(issuer: TokenIssuer) -> None:
    world = World(issuer, seconds=0.1)
    async with world.client() as http:
        await http.get("/things/1")
        await http.get("/things/1")
        async with asyncio.timeout(5):
            while len(world.entries) < 2:
                world.came.clear()
                await world.came.wait()
        await http.get("/things/1")
    world.denials.close()
    assert [one.details.get("repeated") for one in world.entries] == [None, 1, None]


async def test_a_flood_from_everywhere_leaves_a_bounded_number_of_entries(issuer: TokenIssuer) -> None:
    world = World(issuer, kinds=10)
    for number in range(100):
        async with world.client(f"192.0.2.{number}") as http:
            await http.get("/things/1")
            await http.get("/things/1")
    world.denials.close()
    assert len(world.entries) == 2 * 10 + 2
    told = sum(int(one.details.get("repeated", 1)) for one in world.entries)
    assert told == 200
    assert world.entries[10].actor == "others"

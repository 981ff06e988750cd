"""One account leaves something for the others."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable
from typing import Any

import asyncpg
import pytest
from artstore_core.errors import RateLimited
from artstore_core.ids import new_id
from artstore_testing.postgres import Database
from artstore_testing.servers import running_app
from artstore_testing.tokens import TokenIssuer
from prometheus_client import CollectorRegistry
from query_service.config import Settings
from query_service.files.limits import MAX_ACCOUNTS, DownloadSlots, RequestRate, SearchTurns
from query_service.metrics import QueryMetrics
from query_support import Registry, Row, eventually, running_http, running_query, until
from starlette.types import Receive, Scope, Send
from stored_support import serving


@pytest.fixture
def metrics() -> QueryMetrics:
    return QueryMetrics(CollectorRegistry())


class Time:
    now = 1000.0

    def __call__(self) -> float:
        return self.now


def accepted(rate: RequestRate, account: str = "sa:a", tries: int = 1000) -> int:
    for number in range(tries):
        try:
            rate.take(account)
        except RateLimited:
            return number
    return tries


@pytest.mark.parametrize(
    ("per_second", "at_once", "after_ten"), [(5, 10, 10), (0.5, 1, 1), (0.05, 1, 0), (100, 200, 200)]
)
def test_so_many_at_once_and_so_many_a_second(
    metrics: QueryMetrics, per_second: float, at_once: int, after_ten: int
) -> None:
    time = Time()
    rate = RequestRate(per_second, metrics, time)
    assert accepted(rate) == at_once
    assert accepted(rate, "sa:b") == at_once
    time.now += 1 / per_second
    assert accepted(rate) == 1
    time.now += 10
    assert accepted(rate) == after_ten


def test_a_refusal_says_when_to_come_back(metrics: QueryMetrics) -> None:
    time = Time()
    rate = RequestRate(0.1, metrics, time)
    rate.take("sa:a")
    with pytest.raises(RateLimited) as refused:
        rate.take("sa:a")
    wait = int(refused.value.headers["Retry-After"])
    time.now += wait
    rate.take("sa:a")
    assert 0 < wait <= 10


def test_no_limit_is_none_and_the_table_is_bounded(metrics: QueryMetrics) -> None:
    assert accepted(RequestRate(0, metrics)) == 1000
    time = Time()
    rate = RequestRate(0.5, metrics, time)
    for number in range(MAX_ACCOUNTS + 10):
        rate.take(f"sa:{number}")
    assert accepted(rate, "sa:0") == 1  # begins anew
    assert accepted(rate, f"sa:{MAX_ACCOUNTS}") == 0


def test_slots_come_back_and_leave_nothing_behind(metrics: QueryMetrics) -> None:
    slots = DownloadSlots(2, metrics)
    held: list[Callable[[], None]] = [slots.take("sa:a"), slots.take("sa:a"), slots.take("sa:b")]
    with pytest.raises(RateLimited):
        slots.take("sa:a")
    held.pop(0)()
    held.append(slots.take("sa:a"))
    for done in held:
        done()
    assert not slots.accounts
    unlimited = DownloadSlots(0, metrics)
    assert len([unlimited.take("sa:a") for _ in range(1000)]) == 1000


async def test_searches_wait_for_their_turn_and_not_for_long(metrics: QueryMetrics) -> None:
    turns = SearchTurns(2, 20, metrics, seconds=0.2)
    most = 0
    under_way = 0

    async def search(account: str) -> None:
        nonlocal most, under_way
        async with turns.turn(account):
            under_way += 1
            most = max(most, under_way)
            await asyncio.sleep(0.01)
            under_way -= 1

    await asyncio.gather(*(search("sa:a") for _ in range(10)))
    assert most == 2
    async with turns.turn("sa:a"), turns.turn("sa:a"):
        with pytest.raises(RateLimited):
            await search("sa:a")
        await search("sa:b")
    await search("sa:a")
    assert not turns.accounts


async def test_one_accounts_slow_searches_leave_the_others_theirs(
    migrated: Database, settings: Settings, issuer: TokenIssuer, postgres_admin: asyncpg.Connection[Any]
) -> None:
    one = settings.model_copy(update={"searches_at_once": 1, "statement_seconds": 6})
    async with running_query(one, migrated, issuer) as query:
        async with postgres_admin.transaction():
            await postgres_admin.execute("LOCK TABLE files IN ACCESS EXCLUSIVE MODE")
            slow = asyncio.create_task(query.search(503))
            await asyncio.sleep(0.1)
            assert (await query.search(429))["error"]["code"] == "RATE_LIMITED"
            await slow
        assert await query.names() == []


async def test_searches_of_all_accounts_leave_connections_for_downloads(
    migrated: Database, settings: Settings, issuer: TokenIssuer
) -> None:
    async with running_query(settings.model_copy(update={"statement_seconds": 5}), migrated, issuer) as query:
        # What looks for words takes as long as it may, and nothing else does.
        await query.registry.change(
            "CREATE OR REPLACE FUNCTION artstore_search_terms(query text) RETURNS tsquery LANGUAGE plpgsql"
            " IMMUTABLE STRICT PARALLEL SAFE AS $$ BEGIN PERFORM pg_sleep(9); RETURN 'a'; END $$"
        )

        async def search(account: str) -> int:
            headers = issuer.bearer(subject=account)
            return (await query.http.post("/api/v1/search", json={"query": "a"}, headers=headers)).status_code

        searches = [asyncio.create_task(search(f"sa:{number % 4}")) for number in range(40)]
        await asyncio.sleep(0.5)
        for _ in range(3):
            assert (await query.get(f"/api/v1/files/{new_id()}")).status_code == 404
        assert not any(one.done() for one in searches)
        assert set(await asyncio.gather(*searches)) == {503}


async def test_too_many_requests_are_429_by_account(settings: Settings, issuer: TokenIssuer) -> None:
    async with running_http(settings.model_copy(update={"requests_per_second": 1})) as http:
        path, mine = f"/api/v1/files/{new_id()}", issuer.bearer()
        answers = [await http.get(path, headers=mine) for _ in range(4)]
        assert [answer.status_code for answer in answers] == [404, 404, 429, 429]
        assert answers[-1].json()["error"]["code"] == "RATE_LIMITED"
        assert int(answers[-1].headers["retry-after"]) > 0
        for method, where in (("POST", "/api/v1/search"), ("POST", f"{path}/links"), ("GET", f"{path}/download")):
            assert (await http.request(method, where, headers=mine)).status_code == 429
        assert (await http.get(path, headers=issuer.bearer(subject="sa:other"))).status_code == 404
        assert (await http.get("/health/live")).status_code == 200
        assert 'artstore_query_limited_total{limit="requests"} 5.0' in (await http.get("/metrics")).text


class Slow:
    """An element that gives the `first` bytes of two million and the rest when it is let."""

    def __init__(self, first: int = 1_500_000) -> None:
        self.let, self.first = threading.Event(), first

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "lifespan":
            while (message := await receive())["type"] != "lifespan.shutdown":
                await send({"type": f"{message['type']}.complete"})
            return await send({"type": "lifespan.shutdown.complete"})
        await send({"type": "http.response.start", "status": 200, "headers": [(b"content-length", b"2000000")]})
        await send({"type": "http.response.body", "body": b"x" * self.first, "more_body": True})
        await until(self.let.is_set)  # set in another thread, so it cannot be waited for
        await send({"type": "http.response.body", "body": b"x" * (2_000_000 - self.first)})
        return None


async def test_too_many_downloads_at_a_time_are_429(
    settings: Settings, migrated: Database, issuer: TokenIssuer
) -> None:
    registry, row, slow = Registry(migrated), Row(size=2_000_000), Slow()
    with running_app(slow) as url:
        await registry.element("se-rw-1", url)
        await registry.add(row)
        path = f"/api/v1/files/{row.file_id}"
        async with serving(settings.model_copy(update={"downloads_at_once": 1})) as http:
            mine = issuer.bearer()
            async with http.stream("GET", f"{path}/download", headers=mine) as first:
                await anext(first.aiter_raw())
                second = await http.get(f"{path}/download", headers=mine)
                assert (second.status_code, second.json()["error"]["code"]) == (429, "RATE_LIMITED")
                assert int(second.headers["retry-after"]) > 0
                assert (await http.get(path, headers=mine)).status_code == 200
                other = http.stream("GET", f"{path}/download", headers=issuer.bearer(subject="sa:other"))
                async with other as answer:
                    assert answer.status_code == 200
                link = (await http.post(f"{path}/links", headers=mine)).json()["url"].partition("/api/")[2]
                async with http.stream("GET", f"/api/{link}") as answer:
                    assert answer.status_code == 200
                    assert (await http.get(f"/api/{link}")).status_code == 429
            # The client went away, and so did what it held.
            slow.let.set()

            async def free_again() -> bool:
                return (await http.head(f"{path}/download", headers=mine)).status_code != 429

            await eventually(free_again)


async def test_the_first_bytes_of_a_slow_element_do_not_wait_for_more(
    settings: Settings, migrated: Database, issuer: TokenIssuer
) -> None:
    registry, row, slow = Registry(migrated), Row(size=2_000_000), Slow(first=1000)
    with running_app(slow) as url:
        await registry.element("se-rw-1", url)
        await registry.add(row)
        async with serving(settings) as http:
            path = f"/api/v1/files/{row.file_id}/download"
            async with http.stream("GET", path, headers=issuer.bearer()) as answer:
                arriving = answer.aiter_raw()
                async with asyncio.timeout(10):
                    assert await anext(arriving) == b"x" * 1000
                slow.let.set()
                assert sum([len(piece) async for piece in arriving]) == 2_000_000 - 1000


async def test_a_refused_download_gives_its_slot_back(
    settings: Settings, migrated: Database, issuer: TokenIssuer
) -> None:
    one = settings.model_copy(update={"downloads_at_once": 1})
    async with running_query(one, migrated, issuer) as query:
        for _ in range(3):
            assert (await query.get(f"/api/v1/files/{new_id()}/download")).status_code == 404

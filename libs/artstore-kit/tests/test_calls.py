"""Calls are counted by who was called and how it went; what the caller did wrong is nobody's failure."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from typing import Any

import httpx
import pytest
from artstore_kit.calls import DEPENDENCY, Calls
from prometheus_client import CollectorRegistry

Handler = Callable[[httpx.Request], Any]


class Called:
    def __init__(self, handler: Handler) -> None:
        self.registry = CollectorRegistry()
        self.calls = Calls(self.registry)
        self.http = httpx.AsyncClient(transport=self.calls.through(httpx.MockTransport(handler), "admin"))

    def count(self, outcome: str, dependency: str = "admin") -> float | None:
        labels = {"dependency": dependency, "outcome": outcome}
        return self.registry.get_sample_value("artstore_outgoing_request_duration_seconds_count", labels)


def raises(error: Exception) -> Handler:
    def handle(_request: httpx.Request) -> httpx.Response:
        raise error

    return handle


@pytest.mark.parametrize(
    ("status", "outcome"),
    [(200, "ok"), (304, "ok"), (404, "refused"), (429, "refused"), (500, "failed"), (503, "failed")],
)
async def test_an_answer_counts_by_its_status(status: int, outcome: str) -> None:
    called = Called(lambda _: httpx.Response(status))
    await called.http.get("http://admin/")
    assert {one: called.count(one) for one in ("ok", "refused", "failed")} == {
        **dict.fromkeys(("ok", "refused", "failed")),
        outcome: 1,
    }


@pytest.mark.parametrize("error", [httpx.ConnectError("x"), httpx.ReadTimeout("x"), httpx.PoolTimeout("x")])
async def test_no_answer_is_a_failure(error: Exception) -> None:
    called = Called(raises(error))
    with pytest.raises(type(error)):
        await called.http.get("http://admin/")
    assert called.count("failed") == 1


async def test_a_call_that_took_too_long_for_its_caller_is_a_failure() -> None:
    async def never(_request: httpx.Request) -> httpx.Response:
        await asyncio.Event().wait()
        raise AssertionError

    called = Called(never)
    with pytest.raises(TimeoutError):
        async with asyncio.timeout(0.01):
            await called.http.get("http://admin/")
    assert called.count("failed") == 1


async def test_a_body_that_breaks_off_is_not_the_other_sides_failure() -> None:
    async def body() -> AsyncIterator[bytes]:
        yield b"x"
        raise LookupError

    async def read(request: httpx.Request) -> httpx.Response:
        await request.aread()
        return httpx.Response(200)

    called = Called(read)
    with pytest.raises(LookupError):
        await called.http.post("http://admin/", content=body())
    assert [called.count(one) for one in ("ok", "refused", "failed")] == [None, None, None]


async def test_a_request_may_name_another_dependency_than_its_client() -> None:
    called = Called(lambda _: httpx.Response(200))
    await called.http.get("http://admin/.well-known/jwks.json", extensions={DEPENDENCY: "jwks"})
    assert (called.count("ok", "jwks"), called.count("ok")) == (1, None)


def test_what_is_not_http_is_counted_too() -> None:
    called = Called(lambda _: httpx.Response(200))
    with called.calls.to("scanner", "SCAN", (OSError,)):
        pass
    with pytest.raises(ConnectionError), called.calls.to("scanner", "SCAN", (OSError,)):
        raise ConnectionError
    with pytest.raises(LookupError), called.calls.to("scanner", "SCAN", (OSError,)):
        raise LookupError
    assert (called.count("ok", "scanner"), called.count("failed", "scanner")) == (1, 1)

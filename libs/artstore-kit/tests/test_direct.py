"""The short way to an endpoint gives what the long way gives: ids, metrics, errors, and the methods it does not know."""

from __future__ import annotations

from collections.abc import AsyncIterator

import httpx
import pytest
from artstore_core.errors import Conflict
from artstore_kit.app import ServiceInfo, create_app
from artstore_kit.direct import DirectRoute
from fastapi import APIRouter, Request, Response


async def answer(request: Request) -> Response:
    number = request.path_params["number"]
    if number == "7":
        raise Conflict("Taken.", details={"number": "is 7"})
    if number == "8":
        raise RuntimeError("nothing to see")
    return Response(f"{request.method} {number} {len(await request.body())}")


def make(*, direct: bool) -> httpx.AsyncClient:
    router = APIRouter()
    router.add_api_route("/things/{number}", answer, methods=["PUT"])
    routes = [DirectRoute(frozenset({"PUT"}), "/things/{number}", answer)] if direct else []
    app = create_app(ServiceInfo("kit-service", "1", "Kit"), routers=[router], direct=routes)
    transport = httpx.ASGITransport(app, raise_app_exceptions=False)
    return httpx.AsyncClient(transport=transport, base_url="http://kit")


@pytest.fixture(params=[True, False], ids=["direct", "framework"])
async def client(request: pytest.FixtureRequest) -> AsyncIterator[httpx.AsyncClient]:
    async with make(direct=request.param) as http:
        yield http


async def test_answer_is_the_same_either_way(client: httpx.AsyncClient) -> None:
    found = await client.put("/things/5", content=b"abc", headers={"X-Request-Id": "r-1"})
    assert (found.status_code, found.text, found.headers["x-request-id"]) == (200, "PUT 5 3", "r-1")
    assert found.headers["x-content-type-options"] == "nosniff"


async def test_error_has_the_agreed_form_either_way(client: httpx.AsyncClient) -> None:
    refused = await client.put("/things/7", headers={"X-Request-Id": "r-2"})
    body = {"code": "CONFLICT", "message": "Taken.", "details": {"number": "is 7"}, "request_id": "r-2"}
    assert (refused.status_code, refused.json()) == (409, {"error": body})
    failed = await client.put("/things/8")
    assert (failed.status_code, failed.json()["error"]["code"]) == (500, "INTERNAL_ERROR")


async def test_other_methods_and_paths_go_the_long_way(client: httpx.AsyncClient) -> None:
    wrong = await client.get("/things/5")
    assert (wrong.status_code, wrong.headers["allow"]) == (405, "PUT")
    assert (await client.put("/things/5/more")).status_code == 404
    assert (await client.put("/things/")).status_code == 404


async def test_metrics_name_the_template_and_not_the_path(client: httpx.AsyncClient) -> None:
    await client.put("/things/12345")
    metrics = (await client.get("/metrics")).text
    assert 'artstore_http_requests_total{method="PUT",route="/things/{number}",status="200"} 1.0' in metrics
    assert "12345" not in metrics

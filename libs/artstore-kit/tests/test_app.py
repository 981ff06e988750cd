"""Every service's outside: errors, ids, limits, health (A5, A6, A8)."""

from __future__ import annotations

import asyncio
import json
import logging
from collections.abc import AsyncIterator, Iterator
from contextlib import contextmanager
from typing import Annotated, Literal

import httpx
import pytest
import structlog
from artstore_core.errors import BY_CODE, NoStorageAvailable, NotFound
from artstore_kit.app import MAX_JSON_BODY_BYTES, ServiceInfo, create_app
from artstore_kit.health import Check, Unhealthy
from artstore_kit.logs import configure_logs
from artstore_kit.paging import Paging
from artstore_kit.tracing import Tracing
from fastapi import APIRouter, FastAPI, Query
from fastapi.responses import StreamingResponse
from pydantic import BaseModel

routes = APIRouter()


class Body(BaseModel):
    number: int
    query: str = ""


@routes.get("/known")
async def known() -> None:
    raise NotFound("There is no such thing", details={"id": "unknown"})


@routes.get("/full")
async def full() -> None:
    raise NoStorageAvailable("Nowhere to put it", retry_after=7)


@routes.get("/crash")
async def crash() -> None:
    raise RuntimeError("SELECT secret FROM /etc/passwd")


@routes.get("/crash-with-secret")
async def crash_with_secret() -> None:
    secret = "".join(["s3c", "r3t"])  # not in the source as one word: tracebacks show lines of it
    raise RuntimeError(f"nothing to see {len(secret)}")


@routes.get("/half")
async def half() -> StreamingResponse:
    async def body() -> AsyncIterator[bytes]:
        yield b"half"
        raise RuntimeError("broken")

    return StreamingResponse(body(), headers={"Content-Length": "100"})


@routes.get("/paged")
async def paged(page: Paging) -> int:
    return page.limit + page.offset


@routes.get("/number")
async def number(value: Annotated[int, Query()]) -> int:
    return value


@routes.post("/body")
async def body(body: Body) -> int:
    return body.number


class Dependency:
    well = True
    slow = False
    probed = 0

    async def probe(self) -> None:
        self.probed += 1
        if self.slow:
            await asyncio.Event().wait()
        if not self.well:
            raise Unhealthy("marker is missing")


def make(*checks: Check) -> FastAPI:
    return create_app(ServiceInfo("kit-service", "1.2.3", "Kit"), routers=[routes], checks=checks)


@pytest.fixture
async def http() -> AsyncIterator[httpx.AsyncClient]:
    async with httpx.AsyncClient(transport=httpx.ASGITransport(make()), base_url="http://kit") as client:
        yield client


@pytest.mark.parametrize(
    ("method", "path", "status", "code", "details"),
    [
        ("GET", "/known", 404, "NOT_FOUND", {"id": "unknown"}),
        ("GET", "/full", 503, "NO_STORAGE_AVAILABLE", None),
        ("GET", "/crash", 500, "INTERNAL_ERROR", None),
        ("GET", "/absent", 404, "NOT_FOUND", None),
        ("DELETE", "/known", 405, "METHOD_NOT_ALLOWED", None),
        ("GET", "/number", 400, "VALIDATION_ERROR", {"value"}),
        ("GET", "/number?value=x", 400, "VALIDATION_ERROR", {"value"}),
        ("GET", "/paged?limit=0", 400, "VALIDATION_ERROR", {"limit"}),
        ("GET", "/paged?limit=1001", 400, "VALIDATION_ERROR", {"limit"}),
        ("GET", "/paged?offset=-1", 400, "VALIDATION_ERROR", {"offset"}),
        ("POST", "/body", 400, "VALIDATION_ERROR", {"body"}),
    ],
)
async def test_error_has_the_agreed_form(
    http: httpx.AsyncClient, method: str, path: str, status: int, code: str, details: object
) -> None:
    answer = await http.request(method, path)
    error = answer.json()["error"]
    assert (answer.status_code, error["code"]) == (status, code)
    assert error["request_id"] == answer.headers["x-request-id"]
    assert "SELECT" not in answer.text
    if details is not None:
        assert set(error["details"]) == set(details)  # type: ignore[call-overload]


async def test_unavailable_says_when_to_come_back(http: httpx.AsyncClient) -> None:
    assert (await http.get("/full")).headers["retry-after"] == "7"


async def test_body_that_is_not_json_is_named(http: httpx.AsyncClient) -> None:
    answer = await http.post("/body", content=b"{", headers={"Content-Type": "application/json"})
    assert (answer.status_code, answer.json()["error"]["message"]) == (400, "The body is not valid JSON")


async def test_field_is_named_as_the_client_names_it(http: httpx.AsyncClient) -> None:
    """`query` is a place of FastAPI's, and a field of ours."""
    answer = await http.post("/body", json={"number": 1, "query": 5})
    assert answer.json()["error"]["details"].keys() == {"query"}


async def test_body_over_the_limit_is_refused_while_it_streams(http: httpx.AsyncClient) -> None:
    sent = 0

    async def endless() -> AsyncIterator[bytes]:
        nonlocal sent
        while sent < 100 * MAX_JSON_BODY_BYTES:
            sent += 65536
            yield b" " * 65536

    answer = await http.post("/body", content=endless(), headers={"Content-Type": "application/json"})
    assert (answer.status_code, answer.json()["error"]["code"]) == (413, "FILE_TOO_LARGE")
    assert sent <= MAX_JSON_BODY_BYTES + 2 * 65536


async def test_answer_that_broke_midway_is_never_taken_for_whole(http: httpx.AsyncClient) -> None:
    with pytest.raises(RuntimeError, match="broken"):
        await http.get("/half")


async def test_many_askers_cost_a_dependency_one_probe() -> None:
    dependency = Dependency()
    app = make(Check("dependency", dependency.probe))
    async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://kit") as http:
        await asyncio.gather(*(http.get("/health/ready") for _ in range(20)))
    assert dependency.probed == 1


@pytest.mark.parametrize(
    ("needed_well", "useful_well", "status", "state"),
    [(True, True, 200, "ok"), (True, False, 200, "degraded"), (False, True, 503, "fail"), (False, False, 503, "fail")],
)
async def test_readiness_follows_the_worst_dependency(
    needed_well: bool, useful_well: bool, status: int, state: str
) -> None:
    needed, useful = Dependency(), Dependency()
    needed.well, useful.well = needed_well, useful_well
    app = make(Check("needed", needed.probe, required=True), Check("useful", useful.probe))
    async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://kit") as http:
        answer = await http.get("/health/ready")
    assert (answer.status_code, answer.json()["status"]) == (status, state)
    reasons = {name: one["reason"] for name, one in answer.json()["dependencies"].items()}
    assert reasons == {
        "needed": None if needed_well else "marker is missing",
        "useful": None if useful_well else "marker is missing",
    }


async def test_hanging_dependency_does_not_hang_readiness() -> None:
    hanging = Dependency()
    hanging.slow = True
    app = make(Check("hanging", hanging.probe))
    async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://kit") as http:
        answer = await asyncio.wait_for(http.get("/health/ready"), 5)
    assert answer.json()["dependencies"]["hanging"] == {"status": "degraded", "reason": "no answer within 2 s"}


async def test_draining_server_is_not_ready() -> None:
    app = make()
    app.state.health.draining = True
    async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://kit") as http:
        assert (await http.get("/health/ready")).status_code == 503


def test_contract_knows_our_errors_and_not_the_frameworks() -> None:
    contract = make().openapi()
    assert contract["openapi"].startswith("3.1")
    assert "HTTPValidationError" not in contract["components"]["schemas"]
    codes = contract["components"]["schemas"]["ErrorBody"]["properties"]["code"]["enum"]
    assert set(codes) == set(BY_CODE)
    assert "422" not in contract["paths"]["/body"]["post"]["responses"]
    assert "default" in contract["paths"]["/body"]["post"]["responses"]


@contextmanager
def logging_as_a_service(form: Literal["json", "text"]) -> Iterator[None]:
    root, structured = logging.getLogger(), structlog.get_config()
    before, level = root.handlers[:], root.level
    try:
        configure_logs("kit-service", form=form)
        yield
    finally:
        root.handlers[:], root.level = before, level
        structlog.configure(**structured)


async def test_trace_and_request_ids_stand_in_the_log(capsys: pytest.CaptureFixture[str]) -> None:
    trace_id = "0af7651916cd43dd8448eb211c80319c"
    tracing = Tracing("kit-service", "1", {})
    with logging_as_a_service("json"):
        app = create_app(ServiceInfo("kit-service", "1", "Kit"), routers=[routes], tracing=tracing)
        async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://kit") as http:
            headers = {"traceparent": f"00-{trace_id}-b7ad6b7169203331-01", "X-Request-Id": "r-1"}
            await http.get("/number?value=5&ticket=secret", headers=headers)
    lines = [json.loads(line) for line in capsys.readouterr().err.splitlines() if '"request"' in line]
    assert (lines[-1]["trace_id"], lines[-1]["request_id"]) == (trace_id, "r-1")
    assert "secret" not in json.dumps(lines)


async def test_the_log_does_not_tell_what_opens_tiles(capsys: pytest.CaptureFixture[str]) -> None:
    with logging_as_a_service("json"):
        async with httpx.AsyncClient(transport=httpx.ASGITransport(make()), base_url="http://kit") as http:
            await http.get("/api/v1/renditions/f1/tiles/s3cr3t/image.dzi")
    logged = capsys.readouterr().err
    assert '"/api/v1/renditions/f1/tiles/{view}/image.dzi"' in logged
    assert "s3cr3t" not in logged


@pytest.mark.parametrize("form", ["json", "text"])
async def test_failure_is_logged_without_the_values_that_were_at_hand(
    capsys: pytest.CaptureFixture[str], form: Literal["json", "text"]
) -> None:
    with logging_as_a_service(form):
        async with httpx.AsyncClient(transport=httpx.ASGITransport(make()), base_url="http://kit") as http:
            await http.get("/crash-with-secret", headers={"Authorization": "Bearer t0k3n"})
    logged = capsys.readouterr().err
    assert "nothing to see" in logged
    assert "s3cr3t" not in logged
    assert "t0k3n" not in logged
    assert len(logged) < 32_000


@pytest.mark.parametrize(("expect", "taken"), [(None, True), ("100-continue", False)])
async def test_refused_body_is_taken_in_before_the_refusal_goes_out(expect: str | None, taken: bool) -> None:
    """Behind Envoy a client that writes all before it reads would never hear an earlier answer."""
    app = create_app(
        ServiceInfo("kit-service", "1", "Kit"), routers=[routes], is_byte_route=lambda path: path == "/known"
    )
    sent = 0

    async def body() -> AsyncIterator[bytes]:
        nonlocal sent
        for _ in range(100):
            sent += 1
            yield bytes(65536)

    async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://kit") as http:
        headers = {"Expect": expect} if expect else {}
        answer = await http.request("GET", "/known", content=body(), headers=headers)
    assert answer.status_code == 404
    assert (sent == 100) == taken

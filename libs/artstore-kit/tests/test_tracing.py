"""Spans name what was asked, and never the ticket that it was asked with."""

from __future__ import annotations

import os
import subprocess
import sys
from typing import Any

import httpx
import pytest
from artstore_core.errors import NotFound
from artstore_kit.app import ServiceInfo, create_app
from artstore_kit.calls import Calls
from artstore_kit.middleware import inside
from artstore_kit.spans import apart, span
from artstore_kit.tracing import GOODBYE_SECONDS, Tracing
from artstore_testing.servers import running_app
from fastapi import APIRouter, FastAPI, Request
from opentelemetry.sdk.trace import ReadableSpan, TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from opentelemetry.sdk.trace.sampling import ALWAYS_OFF, ALWAYS_ON, Sampler
from opentelemetry.trace import StatusCode
from prometheus_client import CollectorRegistry

SERVICE = ServiceInfo("kit-service", "1", "Kit")


class Traced:
    """A service whose spans are kept in memory. Its routes wait for the tests' own."""

    def __init__(self, sampler: Sampler = ALWAYS_ON) -> None:
        self.exporter, self.routes = InMemorySpanExporter(), APIRouter()
        provider = TracerProvider(sampler=sampler)
        provider.add_span_processor(SimpleSpanProcessor(self.exporter))
        self.tracing = Tracing("kit-service", "1", {}, provider)

    @property
    def spans(self) -> dict[str, ReadableSpan]:
        return {one.name: one for one in self.exporter.get_finished_spans()}

    @property
    def told(self) -> str:
        return " ".join(one.to_json() for one in self.exporter.get_finished_spans())

    def app(self) -> FastAPI:
        return create_app(SERVICE, routers=[self.routes], tracing=self.tracing)

    async def ask(self, path: str, **given: Any) -> httpx.Response:
        async with httpx.AsyncClient(transport=httpx.ASGITransport(self.app()), base_url="http://kit") as http:
            return await http.get(path, **given)


def client() -> httpx.AsyncClient:
    calls = Calls(CollectorRegistry())
    return httpx.AsyncClient(transport=calls.through(httpx.AsyncHTTPTransport(trust_env=False), "element"))


def parent_of(one: ReadableSpan) -> int | None:
    return one.parent.span_id if one.parent is not None else None


async def test_a_request_and_its_call_are_one_trace_without_the_query_of_a_url() -> None:
    element, traced = FastAPI(), Traced()
    element.get("/bytes")(lambda: "x")

    @traced.routes.get("/file/{file_id}/{view}")
    async def file(element_url: str) -> int:
        with span("look"):
            async with client() as http:
                return (await http.get(f"{element_url}/bytes", params={"ticket": "t1cket"})).status_code

    with running_app(element) as url:
        answer = await traced.ask("/file/f-1/v13w", params={"element_url": url, "ticket": "l1nk"})
    assert answer.json() == 200
    spans = traced.spans
    assert spans.keys() == {"GET /file/{file_id}/{view}", "look", "GET element"}
    server, look, call = (spans[name] for name in ("GET /file/{file_id}/{view}", "look", "GET element"))
    assert (server.parent, parent_of(look), parent_of(call)) == (None, server.context.span_id, look.context.span_id)
    assert (server.kind.name, look.kind.name, call.kind.name) == ("SERVER", "INTERNAL", "CLIENT")
    assert server.attributes is not None
    assert server.attributes["artstore.file_id"] == "f-1"
    assert server.attributes["artstore.request_id"] == answer.headers["x-request-id"]
    for secret in ("t1cket", "l1nk", "v13w"):
        assert secret not in traced.told


@pytest.mark.parametrize("sampler", [None, ALWAYS_ON, ALWAYS_OFF])
async def test_a_trace_is_handed_on_whether_it_is_recorded_or_not(sampler: Sampler | None) -> None:
    heard: list[str] = []
    element, traced = FastAPI(), Traced(sampler or ALWAYS_ON)
    if sampler is None:
        traced.tracing = Tracing("kit-service", "1", {})

    @element.get("/")
    def hear(request: Request) -> None:
        heard.append(request.headers.get("traceparent", ""))

    @traced.routes.get("/on")
    async def on(element_url: str) -> None:
        async with client() as http:
            await http.get(element_url)

    trace_id = "0af7651916cd43dd8448eb211c80319c"
    with running_app(element) as url:
        sent = {"traceparent": f"00-{trace_id}-b7ad6b7169203331-01"}
        await traced.ask("/on", params={"element_url": url}, headers=sent)
    assert heard[0].split("-")[1] == trace_id
    assert bool(traced.spans) == (sampler is ALWAYS_ON)


async def test_what_a_redirected_download_had_before_counts_more() -> None:
    """Envoy tells an element to leave out what comes after a redirect."""
    traced = Traced()
    before, now = (f"00-{32 * 'a'}-{16 * digit}-0{flag}" for digit, flag in (("b", 1), ("c", 0)))
    await traced.ask("/absent", headers={"traceparent": now, "x-artstore-traceparent": before})
    (seen,) = traced.spans.values()
    assert format(parent_of(seen) or 0, "016x") == 16 * "b"


async def test_an_error_is_named_and_its_words_are_not_told() -> None:
    traced = Traced()

    @traced.routes.get("/wrong")
    async def wrong() -> None:
        with span("step"):
            raise RuntimeError("the password is s3cret")

    @traced.routes.get("/absent")
    async def absent() -> None:
        raise NotFound("There is no such thing")

    assert (await traced.ask("/wrong")).status_code == 500
    assert (await traced.ask("/absent")).status_code == 404
    assert "s3cret" not in traced.told
    step, wrong_, absent_ = (traced.spans[name] for name in ("step", "GET /wrong", "GET /absent"))
    assert step.attributes is not None
    assert step.attributes["error.type"] == "RuntimeError"
    assert [one.status.status_code for one in (step, wrong_, absent_)] == [
        StatusCode.ERROR,
        StatusCode.ERROR,
        StatusCode.UNSET,
    ]


async def test_what_asks_its_own_service_stays_in_its_trace_and_has_no_line_in_the_log() -> None:
    traced = Traced()
    app: FastAPI

    @traced.routes.get("/inner")
    async def inner() -> int:
        return 1

    @traced.routes.get("/outer")
    async def outer() -> int:
        door = httpx.ASGITransport(inside(app))
        async with httpx.AsyncClient(transport=door, base_url="http://kit") as http:
            return (await http.get("/inner")).status_code

    app = traced.app()
    async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://kit") as http:
        assert (await http.get("/outer")).json() == 200
    spans = traced.spans
    assert spans["GET /inner"].kind.name == "INTERNAL"
    assert parent_of(spans["GET /inner"]) == spans["GET /outer"].context.span_id


async def test_health_and_metrics_leave_no_spans() -> None:
    traced = Traced()
    for path in ("/health/live", "/health/ready", "/metrics"):
        assert (await traced.ask(path)).status_code == 200
    assert traced.spans == {}


def test_outside_of_a_recorded_trace_nothing_is_made() -> None:
    traced = Traced()
    assert span("one") is span("another")
    with traced.tracing.root("work"):
        with apart():
            assert span("one") is span("another")
        with span("a part"):
            pass
    assert traced.spans.keys() == {"work", "a part"}
    assert parent_of(traced.spans["a part"]) == traced.spans["work"].context.span_id


IN_A_PROCESS = """
from artstore_kit.tracing import Tracing
tracing = Tracing("kit-service", "1")
assert tracing.on
with tracing.root("work"):
    pass
began = time.monotonic()
tracing.close()
print(time.monotonic() - began)
"""


def test_a_collector_that_is_away_holds_up_no_stop() -> None:
    environment = {"PATH": os.environ["PATH"], "OTEL_EXPORTER_OTLP_ENDPOINT": "http://127.0.0.1:1"}
    command = [sys.executable, "-c", f"import time{IN_A_PROCESS}"]
    ended = subprocess.run(command, env=environment, capture_output=True, text=True, check=True, timeout=60)
    assert float(ended.stdout) < GOODBYE_SECONDS + 2


def test_a_trace_that_is_off_has_no_root() -> None:
    with Tracing("kit-service", "1", {"OTEL_SDK_DISABLED": "true", "OTEL_EXPORTER_OTLP_ENDPOINT": "x"}).root("work"):
        assert span("one") is span("another")

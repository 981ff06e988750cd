"""Spans name what was asked, and never the ticket that it was asked with."""

from __future__ import annotations

import httpx
from artstore_kit.app import ServiceInfo, create_app
from artstore_kit.tracing import Tracing
from artstore_testing.servers import running_app
from fastapi import APIRouter, FastAPI
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter


def traced() -> tuple[Tracing, InMemorySpanExporter]:
    exporter = InMemorySpanExporter()
    provider = TracerProvider()
    provider.add_span_processor(SimpleSpanProcessor(exporter))
    return Tracing("kit-service", "1", {}, provider), exporter


async def test_no_span_holds_the_query_of_a_url() -> None:
    element = FastAPI()
    element.get("/bytes")(lambda: "x")
    tracing, exporter = traced()
    routes = APIRouter()
    client = httpx.AsyncClient(trust_env=False)
    tracing.instrument(client)

    @routes.get("/file")
    async def file(element_url: str) -> int:
        return (await client.get(f"{element_url}/bytes", params={"ticket": "t1cket"})).status_code

    app = create_app(ServiceInfo("kit-service", "1", "Kit"), routers=[routes], tracing=tracing)
    with running_app(element) as url:
        async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://kit") as http:
            answer = await http.get("/file", params={"element_url": url, "ticket": "l1nk"})
    await client.aclose()
    assert answer.json() == 200
    spans = exporter.get_finished_spans()
    assert {span.kind.name for span in spans} == {"SERVER", "CLIENT"}
    assert len({span.context.trace_id for span in spans}) == 1
    told = " ".join(span.to_json() for span in spans)
    assert "/bytes" in told
    assert "t1cket" not in told
    assert "l1nk" not in told

"""A ticket opens a file for whoever reads it: it is in no log and no trace, not even at the most talkative level."""

from __future__ import annotations

import asyncio
import os
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import httpx
from artstore_testing.postgres import Database
from artstore_testing.servers import free_port, running_app
from artstore_testing.tokens import TokenIssuer
from artstore_tickets import route_name
from fastapi import FastAPI, Request
from pydantic import SecretStr
from query_service.config import Settings
from query_service.files.shortcut import HEADER, OFFERED_CHARACTERS
from query_support import MASTER_KEY, Registry, eventually, running_element
from stored_support import CONTENT, ELEMENT, row_of, store


class Collector:
    """Takes in spans (OTLP over HTTP), as they are on the wire."""

    def __init__(self) -> None:
        self.spans = b""

    def app(self) -> FastAPI:
        app = FastAPI()

        @app.post("/v1/traces")
        async def traces(request: Request) -> None:
            self.spans += await request.body()

        return app


@asynccontextmanager
async def process(settings: Settings, collector: str, log: Path, port: int) -> AsyncIterator[str]:
    """`python -m query_service serve`, with everything told that it can tell."""
    wanted = {
        "issuer", "jwks_url", "jwks_cache_file", "admin_url", "client_id", "client_secret", "database_url",
        "ticket_master_key",
    }  # fmt: skip
    told = {"port": port, "log_level": "debug", "retry_seconds": 1, "redirect": "internal"}
    values = settings.model_dump(include=wanted) | told
    plain = {k: v.get_secret_value() if isinstance(v, SecretStr) else str(v) for k, v in values.items()}
    env = os.environ | {f"QM_{name.upper()}": value for name, value in plain.items()}
    env |= {
        "OTEL_EXPORTER_OTLP_ENDPOINT": collector,
        "OTEL_TRACES_SAMPLER": "always_on",
        "OTEL_BSP_SCHEDULE_DELAY": "50",
    }
    command = (sys.executable, "-m", "query_service", "serve")
    with log.open("wb") as sink:
        running = await asyncio.create_subprocess_exec(*command, env=env, stdout=sink, stderr=sink)
    try:
        yield f"http://127.0.0.1:{port}"
    finally:
        running.terminate()
        await running.wait()


async def test_tickets_are_in_no_log_and_no_trace(
    settings: Settings, migrated: Database, issuer: TokenIssuer, tmp_path: Path
) -> None:
    collector, log, registry, row = Collector(), tmp_path / "log", Registry(migrated), row_of("a.pdf")
    with running_app(collector.app()) as traces, running_element(ELEMENT, tmp_path / "data", issuer) as element:
        await registry.element(ELEMENT, element)
        await registry.add(row)
        await store(element, row, issuer)
        async with process(settings, traces, log, free_port()) as url, httpx.AsyncClient(base_url=url) as http:

            async def up() -> bool:
                try:
                    return (await http.get("/health/live")).is_success
                except httpx.TransportError:
                    return False

            await eventually(up, 60)
            made = await http.post(f"/api/v1/files/{row.file_id}/links", headers=issuer.bearer())
            ticket = made.json()["url"].partition("?ticket=")[2]
            path = f"/api/v1/links/download?ticket={ticket}"
            assert (await http.get(path)).content == CONTENT
            assert (await http.get(f"{path}x")).status_code == 401
            # A redirect, as our gateway gets it.
            offered = {HEADER: route_name(MASTER_KEY, ELEMENT)[:OFFERED_CHARACTERS]}
            sent_on = await http.get(path, headers=offered)
            assert sent_on.status_code == 307
            redirected = sent_on.headers["location"].partition("?ticket=")[2]
            # The element's own tickets, in calls that fail.
            await registry.element(ELEMENT, f"http://127.0.0.1:{free_port()}")
            await eventually(lambda: _refused(http, path))
    told = log.read_bytes()
    assert b"/api/v1/links/download" in told
    assert b"/api/v1/links/download" in collector.spans
    assert b"GET element" in collector.spans
    for place in (told, collector.spans):
        assert b"ticket=" not in place
        for one in (ticket, redirected):
            assert one[:40].encode() not in place
            assert one[-40:].encode() not in place


async def _refused(http: httpx.AsyncClient, path: str) -> bool:
    return (await http.get(path)).status_code == 503

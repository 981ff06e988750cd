"""A trace that a caller began goes on through a service, and its spans reach the collector (A8)."""

from __future__ import annotations

import base64
import os
import signal
import subprocess
import sys

import httpx
from artstore_testing.postgres import Database
from artstore_testing.servers import free_port, running_app
from fastapi import FastAPI, Request

TRACE_ID = "0af7651916cd43dd8448eb211c80319c"


def collector(received: list[bytes]) -> FastAPI:
    """Takes OTLP over HTTP as it comes (protobuf): enough to see what is in it."""
    app = FastAPI()

    @app.post("/v1/traces")
    async def traces(request: Request) -> None:
        received.append(await request.body())

    return app


def test_spans_of_the_callers_trace_are_exported(database: Database) -> None:
    received: list[bytes] = []
    port = free_port()
    with running_app(collector(received)) as url:
        settings = {
            "RS_DATABASE_URL": database.url(),
            "RS_ISSUER": "https://artstore.test",
            "RS_JWKS_URL": "http://127.0.0.1:1",
            "RS_PORT": str(port),
            "RS_TICKET_MASTER_KEY": base64.b64encode(bytes(32)).decode(),
            "OTEL_EXPORTER_OTLP_ENDPOINT": url,
        }
        command = [sys.executable, "-m", "render_service", "serve"]
        service = subprocess.Popen(command, env={**os.environ, **settings}, stderr=subprocess.PIPE, text=True)
        try:
            assert service.stderr is not None
            next(line for line in service.stderr if "Uvicorn running" in line)
            headers = {"traceparent": f"00-{TRACE_ID}-b7ad6b7169203331-01"}
            assert httpx.get(f"http://127.0.0.1:{port}/nothing", headers=headers).status_code == 404
        finally:
            service.send_signal(signal.SIGTERM)
            _, rest = service.communicate(timeout=30)
    assert service.returncode == 0, rest
    assert TRACE_ID in rest
    spans = b"".join(received)
    assert bytes.fromhex(TRACE_ID) in spans
    assert b"render-service" in spans

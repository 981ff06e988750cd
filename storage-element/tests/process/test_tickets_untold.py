"""A ticket opens a file for whoever reads it: it is in no log and no trace, not even at the most talkative level."""

from __future__ import annotations

import base64
from typing import Any
from uuid import uuid4

import httpx
import pytest
from artstore_testing.servers import running_app
from artstore_tickets import FileSubject, Tickets
from fastapi import FastAPI, Request

pytestmark = pytest.mark.integration
DATA = b"opened by a ticket"


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


def ticket_of(process: Any, subject: FileSubject) -> str:
    key = base64.urlsafe_b64decode(process.environment["SE_TICKET_KEY"] + "=")
    return Tickets(process.environment["SE_STORAGE_ID"], key).issue(subject, ["GET"])


def test_tickets_are_in_no_log_and_no_trace(process: Any) -> None:
    collector, file_id = Collector(), uuid4()
    ticket, others = ticket_of(process, FileSubject(file_id)), ticket_of(process, FileSubject(uuid4()))
    path = f"/api/v1/files/{file_id}/download"
    with running_app(collector.app()) as traces:
        process.environment |= {
            "SE_LOG_LEVEL": "debug",
            "OTEL_EXPORTER_OTLP_ENDPOINT": traces,
            "OTEL_TRACES_SAMPLER": "always_on",
        }
        process.start()
        with process.client() as service, process.client(headers={}) as client:
            assert service.put(f"/api/v1/files/{file_id}", content=DATA, headers=process.metadata).status_code == 201
            for given, status in ((ticket, 200), (f"{ticket}x", 401), (others, 403), ("x" * 5000, 400)):
                answer: httpx.Response = client.get(path, params={"ticket": given})
                assert answer.status_code == status
                assert given not in answer.text
            assert client.get(path, params={"ticket": ticket}).content == DATA
        # A stop sends what spans there are.
        process.end(15)
    told = process.log.read_bytes()
    assert path.encode() in told
    assert str(file_id).encode() in collector.spans
    for place in (told, collector.spans):
        assert b"ticket=" not in place
        for one in (ticket, others):
            assert one[:40].encode() not in place
            assert one[-40:].encode() not in place

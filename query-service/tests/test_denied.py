"""Refusals reach the audit log when admin is there, and wait for nobody when it is not."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from typing import Any

import pytest
from artstore_testing.servers import running_app
from artstore_testing.tokens import TokenIssuer
from fastapi import FastAPI, Request
from query_service.config import Settings
from query_support import Query, running_http


class AdminStub:
    def __init__(self) -> None:
        self.entries: list[dict[str, Any]] = []

    def app(self) -> FastAPI:
        app = FastAPI()

        @app.post("/api/v1/auth/token")
        async def token(request: Request) -> dict[str, Any]:
            assert b"urn%3Aartstore%3Ainternal" in await request.body()
            return {"access_token": "t", "expires_in": 300}

        @app.post("/api/v1/audit")
        async def audit(request: Request) -> None:
            self.entries += (await request.json())["entries"]

        return app


@pytest.fixture
def admin() -> AdminStub:
    return AdminStub()


@pytest.fixture
def admin_url(admin: AdminStub) -> Iterator[str]:
    with running_app(admin.app()) as url:
        yield url


async def test_refusals_are_told_and_reads_are_not(
    settings: Settings, admin: AdminStub, admin_url: str, issuer: TokenIssuer
) -> None:
    async with running_http(settings.model_copy(update={"admin_url": admin_url})) as http:
        seen = {"X-Forwarded-For": "203.0.113.7"}
        assert (await http.get("/api/v1/files/0192aaaa-0000-7000-8000-000000000001", headers=seen)).status_code == 401
        writer = issuer.bearer(["files:write"])
        assert (await http.post("/api/v1/search", json={}, headers=writer | seen)).status_code == 403
        assert (await http.post("/api/v1/search", json={}, headers=issuer.bearer())).status_code == 200
    # The stop has sent what was left.
    told = [(one["action"], one["actor"], one["target"], one["address"]) for one in admin.entries]
    assert told == [
        ("access.denied", "anonymous", "GET /api/v1/files/0192aaaa-0000-7000-8000-000000000001", "203.0.113.7"),
        ("access.denied", "sa:sa_test_0001", "POST /api/v1/search", "203.0.113.7"),
    ]


async def test_without_admin_nobody_waits(query: Query) -> None:
    """Admin cannot be reached in these tests: refusals and reads answer as they always do (requirement Q7)."""
    async with asyncio.timeout(10):
        for _ in range(50):
            assert (await query.http.post("/api/v1/search", json={})).status_code == 401
        assert (await query.search())["total"] == 0
    metrics = (await query.http.get("/metrics")).text
    assert "artstore_audit_entries_waiting 1.0" in metrics

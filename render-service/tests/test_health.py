"""The service is up, and says truly whether it could work."""

from __future__ import annotations

import base64
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import httpx
from artstore_testing.postgres import Database
from artstore_testing.servers import free_port
from artstore_testing.tokens import TokenIssuer
from asgi_lifespan import LifespanManager
from pydantic import SecretStr
from render_service.config import Settings
from render_service.main import build


@asynccontextmanager
async def running(database_url: str, issuer: TokenIssuer, directory: Path) -> AsyncIterator[httpx.AsyncClient]:
    cache = directory / "jwks.json"
    cache.write_text(json.dumps(issuer.jwks()))
    settings = Settings(
        issuer=issuer.issuer,
        jwks_url=f"http://127.0.0.1:{free_port()}/jwks.json",
        jwks_cache_file=cache,
        database_url=SecretStr(database_url),
        ticket_master_key=SecretStr(base64.b64encode(bytes(32)).decode()),
        store_dir=directory / "renditions",
    )
    async with (
        LifespanManager(build(settings)) as manager,
        httpx.AsyncClient(transport=httpx.ASGITransport(manager.app), base_url="http://render") as http,
    ):
        yield http


async def test_with_postgresql_it_is_ready_even_without_admin(
    database: Database, issuer: TokenIssuer, tmp_path: Path
) -> None:
    async with running(database.url(), issuer, tmp_path) as http:
        assert (await http.get("/health/live")).json()["service"] == "render-service"
        ready = await http.get("/health/ready")
        assert (ready.status_code, ready.json()["status"]) == (200, "degraded")
        assert ready.json()["dependencies"]["postgresql"]["status"] == "ok"
        assert ready.json()["dependencies"]["signing_keys"]["status"] == "degraded"
        assert "artstore_http_requests_total" in (await http.get("/metrics")).text


async def test_without_postgresql_it_fails(issuer: TokenIssuer, tmp_path: Path) -> None:
    away = f"postgresql://artstore_render@127.0.0.1:{free_port()}/artstore"
    async with running(away, issuer, tmp_path) as http:
        assert (await http.get("/health/live")).status_code == 200
        ready = await http.get("/health/ready")
        assert (ready.status_code, ready.json()["status"]) == (503, "fail")


async def test_unknown_paths_have_the_agreed_form(database: Database, issuer: TokenIssuer, tmp_path: Path) -> None:
    async with running(database.url(), issuer, tmp_path) as http:
        answer = await http.get("/api/v1/renditions/x/nothing")
        assert (answer.status_code, answer.json()["error"]["code"]) == (404, "NOT_FOUND")

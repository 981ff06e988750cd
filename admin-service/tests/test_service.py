"""What every service shows alike, seen on admin: errors, health, ids, the database away (A5, A6, A8)."""

from __future__ import annotations

import base64

import httpx
import pytest
from admin_service.config import Settings
from admin_service.main import build
from admin_support import ISSUER, KEY, Admin
from pydantic import SecretStr


@pytest.mark.parametrize(
    ("method", "path", "status", "code"),
    [
        ("GET", "/nothing/here", 404, "NOT_FOUND"),
        ("PUT", "/api/v1/service-accounts", 405, "METHOD_NOT_ALLOWED"),
        ("GET", "/api/v1/service-accounts", 401, "UNAUTHORIZED"),
        ("GET", "/api/v1/auth/token", 405, "METHOD_NOT_ALLOWED"),
    ],
)
async def test_framework_errors_have_the_agreed_form(
    admin: Admin, method: str, path: str, status: int, code: str
) -> None:
    answer = await admin.http.request(method, path)
    error = answer.json()["error"]
    assert (answer.status_code, error["code"]) == (status, code)
    assert error["request_id"] == answer.headers["x-request-id"]
    assert ("allow" in answer.headers) == (status == 405)
    assert answer.headers.get("www-authenticate", "Bearer").startswith("Bearer")


async def test_allow_names_every_method_of_the_path(admin: Admin) -> None:
    answer = await admin.http.put("/api/v1/service-accounts")
    assert answer.headers["allow"] == "GET, POST"


async def test_callers_request_id_is_kept_when_harmless(admin: Admin) -> None:
    kept = await admin.http.get("/health/live", headers={"X-Request-Id": "abc-123"})
    assert kept.headers["x-request-id"] == "abc-123"
    made = await admin.http.get("/health/live", headers={"X-Request-Id": 'a"b\tc'})
    assert made.headers["x-request-id"] != 'a"b\tc'


async def test_bad_json_and_big_json_are_refused(admin: Admin) -> None:
    headers = {**await admin.bearer(), "Content-Type": "application/json"}
    bad = await admin.http.post("/api/v1/service-accounts", content=b"{nope", headers=headers)
    assert (bad.status_code, bad.json()["error"]["code"]) == (400, "VALIDATION_ERROR")
    big = await admin.http.post("/api/v1/service-accounts", content=b" " * 2**21, headers=headers)
    assert (big.status_code, big.json()["error"]["code"]) == (413, "FILE_TOO_LARGE")


async def test_health_and_metrics(admin: Admin) -> None:
    live = (await admin.http.get("/health/live")).json()
    assert (live["status"], live["service"]) == ("ok", "admin-service")
    ready = await admin.http.get("/health/ready")
    assert (ready.status_code, ready.json()["status"]) == (200, "ok")
    assert ready.json()["dependencies"]["postgresql"]["status"] == "ok"
    await admin.http.get("/api/v1/service-accounts/1")
    metrics = (await admin.http.get("/metrics")).text
    assert 'route="/api/v1/service-accounts/{account_id}",status="401"' in metrics
    assert 'artstore_http_requests_total{method="GET",route="/health/live",status="200"}' in metrics


async def test_without_database_it_says_so_and_fails_readiness() -> None:
    settings = Settings(
        database_url=SecretStr("postgresql://nobody@127.0.0.1:1/none"),
        issuer=ISSUER,
        key_encryption_key=SecretStr(base64.b64encode(KEY).decode()),
    )
    transport = httpx.ASGITransport(build(settings))
    async with httpx.AsyncClient(transport=transport, base_url=ISSUER) as http:
        ready = await http.get("/health/ready")
        assert (ready.status_code, ready.json()["status"]) == (503, "fail")
        answer = await http.post(
            "/api/v1/auth/token", data={"grant_type": "client_credentials"}, auth=("sa_client_1", "x")
        )
        assert (answer.status_code, answer.json()["error"]["code"]) == (503, "ADMIN_UNAVAILABLE")
        assert answer.headers["retry-after"]

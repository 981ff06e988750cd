"""One file's description, with PostgreSQL alive, slow and away."""

from __future__ import annotations

from pathlib import Path

import asyncpg
import pytest
from artstore_core.ids import new_id
from artstore_testing.postgres import Database
from artstore_testing.servers import free_port
from artstore_testing.tokens import TokenIssuer
from pydantic import SecretStr
from query_support import Query, Row, running_http, running_query, settings_for, temporary


async def test_a_file_as_every_client_sees_it(query: Query) -> None:
    row = Row("отчёт.pdf", description="d", tags=["a"], metadata={"n": {"m": [1, None]}}, revision=3)
    await query.registry.add(row)
    answer = await query.get(f"/api/v1/files/{row.file_id}")
    assert answer.json() == {
        "file_id": str(row.file_id),
        "original_filename": "отчёт.pdf",
        "content_type": "application/pdf",
        "size": 100,
        "checksum": "0" * 64,
        "uploaded_by": "sa:sa_test_0001",
        "uploaded_at": "2026-11-21T12:00:00Z",
        "description": "d",
        "tags": ["a"],
        "metadata": {"n": {"m": [1, None]}},
        "status": "active",
        "retention_policy": "permanent",
        "ttl_days": None,
        "expires_at": None,
        "revision": 3,
    }
    assert answer.headers["etag"] == '"3"'
    known = await query.get(f"/api/v1/files/{row.file_id}", **{"If-None-Match": '"3"'})
    assert (known.status_code, known.content) == (304, b"")


async def test_head_is_get_without_a_body(query: Query) -> None:
    row = Row("a.pdf")
    await query.registry.add(row)
    url, bearer = f"/api/v1/files/{row.file_id}", query.issuer.bearer()
    got, asked = await query.get(url), await query.http.head(url, headers=bearer)
    assert (asked.status_code, asked.content) == (200, b"")
    for name in ("etag", "content-length", "content-type", "cache-control"):
        assert asked.headers[name] == got.headers[name]
    known = await query.http.head(url, headers=bearer | {"If-None-Match": got.headers["etag"]})
    assert known.status_code == 304
    assert (await query.http.head(f"/api/v1/files/{new_id()}", headers=bearer)).status_code == 404


async def test_what_is_gone_for_readers(query: Query) -> None:
    rows = [
        temporary("late.pdf", days_left=-1),
        temporary("swept.pdf", days_left=-1, status="expired"),
        Row("gone.pdf", status="deleted"),
    ]
    await query.registry.add(*rows)
    for file_id in [*(row.file_id for row in rows), new_id()]:
        for path in (f"/api/v1/files/{file_id}", f"/api/v1/files/{file_id}/download"):
            answer = await query.get(path)
            assert (answer.status_code, answer.json()["error"]["code"]) == (404, "NOT_FOUND")


async def test_damaged_and_archived_files_are_described_and_not_given_out(query: Query) -> None:
    await query.registry.element("se-ar-1", "http://127.0.0.1:2", mode="ar")
    damaged, archived = Row(status="damaged"), Row(storage_element_id="se-ar-1")
    await query.registry.add(damaged, archived)
    for row, code in ((damaged, "FILE_DAMAGED"), (archived, "MODE_NOT_ALLOWED")):
        assert (await query.get(f"/api/v1/files/{row.file_id}")).status_code == 200
        answer = await query.get(f"/api/v1/files/{row.file_id}/download")
        assert (answer.status_code, answer.json()["error"]["code"]) == (409, code)


async def test_an_id_that_is_none_is_refused(query: Query) -> None:
    answer = await query.get("/api/v1/files/no-such-id")
    assert (answer.status_code, list(answer.json()["error"]["details"])) == (400, ["file_id"])


@pytest.mark.parametrize("path", ["", "/download"])
async def test_a_token_of_the_right_scope_and_audience_is_needed(query: Query, path: str) -> None:
    url = f"/api/v1/files/{new_id()}{path}"
    issuer = query.issuer
    assert (await query.http.get(url)).status_code == 401
    assert (await query.http.get(url, headers=issuer.bearer(["files:write"]))).status_code == 403
    assert (await query.http.get(url, headers=issuer.bearer(audience="urn:artstore:internal"))).status_code == 401
    assert (await query.http.get(url, headers=issuer.bearer(lifetime=-60))).status_code == 401


async def ready(query: Query) -> dict[str, str]:
    answer = await query.http.get("/health/ready")
    assert answer.status_code == 200
    return {name: state["status"] for name, state in answer.json()["dependencies"].items()}


async def test_readiness_tells_each_part(query: Query) -> None:
    assert await ready(query) == {"postgresql": "ok", "signing_keys": "degraded", "storage_elements": "degraded"}


async def test_postgresql_away_is_503_never_500(issuer: TokenIssuer, database: Database, tmp_path: Path) -> None:
    settings = settings_for(database, issuer, tmp_path)
    away = f"postgresql://artstore_query@127.0.0.1:{free_port()}/artstore"
    settings = settings.model_copy(update={"database_url": SecretStr(away)})
    async with running_http(settings) as http:
        for answer in (
            await http.post("/api/v1/search", json={}, headers=issuer.bearer()),
            await http.get(f"/api/v1/files/{new_id()}", headers=issuer.bearer()),
            await http.get(f"/api/v1/files/{new_id()}/download", headers=issuer.bearer()),
        ):
            assert (answer.status_code, answer.json()["error"]["code"]) == (503, "STORAGE_UNAVAILABLE")
            assert int(answer.headers["retry-after"]) > 0
        health = await http.get("/health/ready")
        assert (health.status_code, health.json()["status"]) == (200, "degraded")
        assert health.json()["dependencies"]["postgresql"]["status"] == "degraded"


async def test_connections_that_postgresql_cut_are_made_anew(query: Query, postgres_admin: asyncpg.Connection) -> None:
    assert await query.names() == []
    await postgres_admin.execute(
        "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE usename = 'artstore_query'"
    )
    assert await query.names() == []


async def test_a_statement_that_takes_too_long_is_503(
    migrated: Database, issuer: TokenIssuer, tmp_path: Path, postgres_admin: asyncpg.Connection
) -> None:
    settings = settings_for(migrated, issuer, tmp_path).model_copy(update={"statement_seconds": 0.2})
    async with running_query(settings, migrated, issuer) as query:
        async with postgres_admin.transaction():
            await postgres_admin.execute("LOCK TABLE files IN ACCESS EXCLUSIVE MODE")
            error = (await query.search(503))["error"]
        assert error["code"] == "STORAGE_UNAVAILABLE"
        assert await query.names() == []

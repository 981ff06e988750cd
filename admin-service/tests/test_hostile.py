"""What strangers send to get in the way: texts that take long, connections that are held, times and numbers without bound."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest
from admin_people import People, connection_of
from artstore_core.ids import new_id
from sqlalchemy import text

TOKEN, INTERNAL = "/api/v1/auth/token", "urn:artstore:internal"
FORM = {"grant_type": "client_credentials"}
SLOW_TO_NORMALISE = "a" + "\u0301" * 60_000 + "\u0316" * 60_000
"""Marks in the wrong order are put into the right one by pairs: the square of their number."""


@asynccontextmanager
async def locked(people: People, table: str) -> AsyncIterator[None]:
    """Nobody else can lock a row of the table meanwhile."""
    async with people.store.transaction() as rows:
        await connection_of(rows).execute(text(f"SELECT 1 FROM {table} FOR UPDATE"))
        yield


async def first_denied(people: People) -> dict[str, Any]:
    async with asyncio.timeout(5):
        while True:
            for entry in await people.audit("access.denied"):
                return entry
            await asyncio.sleep(0.02)


async def test_long_client_id_costs_nothing(people: People) -> None:
    started = time.perf_counter()
    for form in (
        {"client_id": SLOW_TO_NORMALISE, "client_secret": "x"},
        {"client_id": "x", "client_secret": "x" * 2000},
    ):
        answer = await people.http.post(TOKEN, data={**FORM, **form})
        assert (answer.status_code, answer.json()["error"]) == (401, "invalid_client")
    assert time.perf_counter() - started < 2


async def test_header_that_is_not_ascii_is_refused(people: People) -> None:
    answer = await people.http.post(TOKEN, data=FORM, headers={b"Authorization": b"Basic \xe9\xe9"})
    assert (answer.status_code, answer.json()["error"]) == (401, "invalid_client")
    assert answer.headers["www-authenticate"].startswith("Basic ")


@pytest.mark.parametrize("moment", ["0001-01-01T00:00:00+14:00", "9999-12-31T23:59:59-14:00", "0001-01-01T00:00:00Z"])
@pytest.mark.parametrize("bound", ["since", "until"])
async def test_time_that_nobody_can_keep_is_refused(people: People, bound: str, moment: str) -> None:
    answer = await people.http.get("/api/v1/audit", params={bound: moment}, headers=await people.bearer())
    assert (answer.status_code, answer.json()["error"]["details"].keys()) == (400, {bound})


@pytest.mark.parametrize(
    "change",
    [
        {"size": 2**70},
        {"size": 2**63 - 1},  # a bigint, but two of them are none
        {"ttl_days": 2**31},
        {"revision": 2**31},
        {"uploaded_at": "0001-01-01T00:00:00Z"},
        {"expires_at": "9999-12-31T23:59:59.999999Z"},
    ],
)
async def test_file_that_the_registry_cannot_hold_is_refused(people: People, change: dict[str, Any]) -> None:
    body = {
        "file_id": str(new_id()),
        "storage_element_id": "se-rw-1",
        "original_filename": "a",
        "content_type": "text/plain",
        "size": 1,
        "checksum": "0" * 64,
        "uploaded_by": "sa:a",
        "uploaded_at": "2026-11-21T12:00:00Z",
        "retention_policy": "permanent",
        **change,
    }
    headers = await people.bearer("ingester", resource=INTERNAL)
    answer = await people.http.post("/api/v1/registry/files", json=body, headers=headers)
    assert (answer.status_code, answer.json()["error"].get("details", {}).keys()) == (400, change.keys())


async def test_refreshes_that_wait_leave_connections_to_everybody_else(people: People) -> None:
    sessions = [await people.signed_in() for _ in range(4)]
    async with locked(people, "admin_users"):
        waiting = [asyncio.create_task(people.refresh(one["refresh_token"])) for one in sessions * 4]
        await asyncio.sleep(0)
        started = time.perf_counter()
        assert (await people.ask_token("client")).status_code == 200
        assert time.perf_counter() - started < 1.5
    await asyncio.gather(*waiting)


async def test_more_refreshes_than_may_wait_hear_it_at_once(people: People) -> None:
    tokens = await people.signed_in()
    async with locked(people, "admin_users"):
        waiting = [asyncio.create_task(people.refresh(tokens["refresh_token"])) for _ in range(300)]
        done, _ = await asyncio.wait(waiting, timeout=5, return_when=asyncio.FIRST_COMPLETED)
        assert {one.result().status_code for one in done} == {429}
    await asyncio.gather(*waiting)


async def test_requests_that_hold_all_connections_leave_the_replica_ready(people: People) -> None:
    """A pod that is not ready gets no requests at all: then the same requests would take down one replica after another."""
    headers = await people.bearer()
    found = (await people.http.get("/api/v1/service-accounts", headers=headers)).json()["items"][0]["id"]

    async def rename() -> int:
        path = f"/api/v1/service-accounts/{found}"
        return (await people.http.patch(path, json={"name": "other"}, headers=headers)).status_code

    async with locked(people, "service_accounts"):
        waiting = [asyncio.create_task(rename()) for _ in range(15)]
        # Those whom the pool had no connection for.
        await asyncio.wait(waiting, timeout=10, return_when=asyncio.FIRST_COMPLETED)
        assert (await people.http.get("/health/ready")).json()["status"] == "ok"
    assert 200 in await asyncio.gather(*waiting)


async def test_refused_programs_are_in_the_audit_log(people: People) -> None:
    of_operator = await people.token()
    assert (await people.ask_token("client", scope="admin:write")).json()["error"] == "invalid_scope"
    assert (await people.ask_token("client", resource=INTERNAL)).json()["error"] == "invalid_target"
    entries = await people.audit("client_sign_in.denied")
    assert [(one["target"], one["details"]) for one in entries] == [
        ("sa_client_1", {"reason": "invalid_scope"}),
        ("sa_client_1", {"reason": "invalid_target"}),
    ]
    revoke = await people.http.post(
        "/api/v1/auth/revoke", data={"token": of_operator}, auth=("sa_client_1", "client-secret")
    )
    assert revoke.status_code == 400
    (denied,) = await people.audit("token.revocation_denied")
    assert (denied["actor"], denied["target"], denied["outcome"]) == ("sa:sa_client_1", "sa:sa_operator_1", "denied")


@pytest.mark.parametrize("path", [TOKEN, "/api/v1/auth/refresh"])
async def test_refused_strangers_are_in_the_audit_log(people: People, path: str) -> None:
    if path == TOKEN:
        assert (await people.http.post(TOKEN, data=FORM)).status_code == 401
    else:
        tokens = await people.signed_in()
        assert (await people.logout(tokens["refresh_token"])).status_code == 204
        assert (await people.refresh(tokens["refresh_token"])).status_code == 401
    assert (await first_denied(people))["target"] == f"POST {path}"

"""The audit log: found by whoever may look, told by services alone, and not flooded by refusals."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime, timedelta
from typing import Any

import httpx
import pytest
from admin_service.audit.log import Entry
from admin_support import Admin
from artstore_audit import Outcome
from artstore_core.ids import new_id

URL = "/api/v1/audit"
START = datetime(2026, 1, 1, tzinfo=UTC)
INTERNAL = "urn:artstore:internal"


async def logged(admin: Admin, *entries: dict[str, Any]) -> None:
    ordinary: dict[str, Any] = {
        "happened_at": START,
        "service": "x",
        "actor": "sa:a",
        "action": "file.changed",
        "outcome": Outcome.DONE,
    }
    async with admin.store.transaction() as rows:
        await rows.audit.add([Entry(**ordinary | entry) for entry in entries])


async def found(admin: Admin, **query: Any) -> dict[str, Any]:
    answer = await admin.http.get(URL, params=query, headers=await admin.bearer())
    assert answer.status_code == 200, answer.text
    page: dict[str, Any] = answer.json()
    return page


async def targets(admin: Admin, **query: Any) -> list[str]:
    return [item["target"] for item in (await found(admin, service="x", **query))["items"]]


async def report(admin: Admin, *entries: dict[str, Any], **body: Any) -> httpx.Response:
    headers = await admin.bearer("ingester", resource=INTERNAL)
    return await admin.http.post(URL, json={"entries": entries, **body}, headers=headers)


def told(**given: Any) -> dict[str, Any]:
    return {
        "entry_id": str(new_id()),
        "happened_at": "2026-11-20T10:00:00Z",
        "actor": "sa:sa_x_1",
        "action": "file.uploaded",
        "outcome": "done",
    } | given


async def test_entries_are_found_by_each_filter(admin: Admin) -> None:
    await logged(
        admin,
        {"target": "a", "actor": "user:anna", "happened_at": START},
        {"target": "b", "action": "file_list.read", "outcome": Outcome.DENIED, "happened_at": START + timedelta(1)},
        {"target": "c", "action": "file.deleted", "request_id": "r-1", "happened_at": START + timedelta(2)},
    )
    assert await targets(admin) == ["c", "b", "a"]
    assert await targets(admin, actor="user:anna") == ["a"]
    assert await targets(admin, action="file.") == ["c", "a"]
    assert await targets(admin, action="file%") == []
    assert await targets(admin, target="b") == ["b"]
    assert await targets(admin, outcome="denied") == ["b"]
    assert await targets(admin, request_id="r-1") == ["c"]
    day = (START + timedelta(1)).isoformat()
    assert await targets(admin, since=day) == ["c", "b"]
    assert await targets(admin, until=day) == ["a"]
    assert (await found(admin, service="y"))["total"] == 0


async def test_pages_stay_where_they_are_while_the_log_grows(admin: Admin) -> None:
    await logged(admin, *({"target": str(number), "happened_at": START} for number in range(25)))
    first = await found(admin, service="x", limit=10)
    assert (first["total"], first["total_exact"], first["has_more"]) == (25, True, True)
    seen = [item["target"] for item in first["items"]]
    for offset in (10, 20):
        # Late, early and now: all of them would move the pages.
        await logged(admin, *({"target": "new", "happened_at": START + timedelta(days)} for days in (-1, 0, 1)))
        page = await found(admin, service="x", limit=10, offset=offset, newest_id=first["newest_id"])
        seen += [item["target"] for item in page["items"]]
        assert page["total"] == 25
    assert seen == [str(number) for number in reversed(range(25))]
    assert page["has_more"] is False


@pytest.mark.parametrize(
    "query", [{"outcome": "maybe"}, {"since": "2026-01-01T00:00:00"}, {"limit": 0}, {"actor": "\x00"}]
)
async def test_a_filter_that_means_nothing_is_refused(admin: Admin, query: dict[str, Any]) -> None:
    answer = await admin.http.get(URL, params=query, headers=await admin.bearer())
    assert (answer.status_code, answer.json()["error"]["code"]) == (400, "VALIDATION_ERROR")


async def test_a_service_reports_under_its_own_name(admin: Admin) -> None:
    assert (await report(admin, told(target="f", details={"size": 5, "deep": None}))).status_code == 204
    (item,) = (await found(admin, action="file.uploaded"))["items"]
    assert (item["service"], item["actor"], item["details"]) == (
        "sa_ingester_1",
        "sa:sa_x_1",
        {"size": 5, "deep": None},
    )
    assert (await report(admin, told(service="admin-service"))).status_code == 400


async def test_what_is_sent_twice_is_kept_once(admin: Admin) -> None:
    entry = told()
    for entries in ([entry], [entry, told()], [entry, entry]):
        assert (await report(admin, *entries)).status_code == 204
    assert (await found(admin, action="file.uploaded"))["total"] == 2


async def test_a_time_in_the_far_future_is_not_believed(admin: Admin) -> None:
    soon = (datetime.now(UTC) + timedelta(minutes=1)).replace(microsecond=0)
    assert (await report(admin, told(target="far", happened_at="2099-01-01T00:00:00Z"))).status_code == 204
    assert (await report(admin, told(target="near", happened_at=soon.isoformat()))).status_code == 204
    items = {item["target"]: item for item in (await found(admin, action="file.uploaded"))["items"]}
    assert abs(datetime.fromisoformat(items["far"]["happened_at"]) - datetime.now(UTC)) < timedelta(minutes=1)
    assert items["far"]["details"] == {"told_time": "2099-01-01T00:00:00+00:00"}
    assert datetime.fromisoformat(items["near"]["happened_at"]) == soon


@pytest.mark.parametrize(
    "given",
    [
        {"actor": ""},
        {"actor": "a\x00"},
        {"action": "x" * 301},
        {"outcome": "perhaps"},
        {"happened_at": "2026-01-01T00:00:00"},
        {"happened_at": "0001-01-01T00:00:00+14:00"},
        {"happened_at": "0001-01-01T00:00:00Z"},
        {"details": {"a": "\x00"}},
        {"details": {str(number): 1 for number in range(21)}},
        {"details": {"nested": {"a": 1}}},
        {"entry_id": "1"},
        {"more": 1},
    ],
)
async def test_an_entry_that_could_not_be_kept_is_refused(admin: Admin, given: dict[str, Any]) -> None:
    assert (await report(admin, told(), told(**given))).status_code == 400
    assert (await found(admin, action="file.uploaded"))["total"] == 0


async def test_a_batch_has_an_end(admin: Admin) -> None:
    assert (await report(admin, *(told() for _ in range(501)))).status_code == 400
    assert (await report(admin)).status_code == 400
    assert (await report(admin, *(told() for _ in range(500)))).status_code == 204


async def test_only_services_report(admin: Admin) -> None:
    answer = await admin.http.post(URL, json={"entries": [told()]}, headers=await admin.bearer("operator"))
    assert answer.status_code == 401
    assert "wrong audience" in answer.headers["WWW-Authenticate"]


async def until_denied(admin: Admin, number: int) -> list[dict[str, Any]]:
    async with asyncio.timeout(10):
        while True:
            items: list[dict[str, Any]] = (await found(admin, action="access.denied"))["items"]
            if len(items) >= number:
                return items
            await asyncio.sleep(0.02)


async def test_denied_attempts_are_logged_with_who_and_from_where(admin: Admin) -> None:
    headers = await admin.bearer("client") | {"X-Forwarded-For": "198.51.100.1, 203.0.113.7", "X-Request-Id": "mine"}
    assert (await admin.http.get("/api/v1/service-accounts", headers=headers)).status_code == 403
    assert (await admin.http.get("/api/v1/registry/files")).status_code == 401
    anonymous, client = await until_denied(admin, 2)
    assert (client["actor"], client["outcome"], client["target"]) == (
        "sa:sa_client_1",
        "denied",
        "GET /api/v1/service-accounts",
    )
    assert (client["address"], client["request_id"]) == ("203.0.113.7", "mine")
    assert client["details"]["code"] == "FORBIDDEN"
    assert (anonymous["actor"], anonymous["target"]) == ("anonymous", "GET /api/v1/registry/files")
    assert anonymous["service"] == "admin-service"


async def test_a_flood_of_refusals_is_one_entry(admin: Admin) -> None:
    for number in range(200):
        await admin.http.get(f"/api/v1/registry/files/{new_id()}", headers={"Authorization": f"Bearer {number}"})
    assert len(await until_denied(admin, 1)) == 1


async def test_failed_sign_ins_are_logged_once_by_their_own_name(admin: Admin) -> None:
    body = {"username": "admin", "password": "wrong"}
    assert (await admin.http.post("/api/v1/auth/login", json=body)).status_code == 401
    assert (await admin.http.get("/api/v1/registry/files")).status_code == 401
    (denied,) = await until_denied(admin, 1)
    assert denied["target"] == "GET /api/v1/registry/files"
    assert (await found(admin, action="sign_in."))["total"] == 1

"""Service accounts: quotas, filters, what is audited, warnings of secrets that expire (I3, I4, I10, I12)."""

from __future__ import annotations

from typing import Any

import pytest
from admin_people import MovedClock, People, connection_of
from admin_service.identity.expiry import SecretExpiry
from prometheus_client import CollectorRegistry
from sqlalchemy import text

PATH = "/api/v1/service-accounts"


async def create(people: People, name: str = "scanner", **fields: Any) -> dict[str, Any]:
    body = {"name": name, "scopes": ["files:read"], **fields}
    answer = await people.http.post(PATH, json=body, headers=await people.bearer())
    assert answer.status_code == 201, answer.text
    created: dict[str, Any] = answer.json()
    return created


async def request(people: People, method: str, path: str, **body: Any) -> Any:
    answer = await people.http.request(method, f"{PATH}{path}", json=body or None, headers=await people.bearer())
    assert answer.status_code in {200, 204}, answer.text
    return answer.json() if answer.content else None


async def test_quota_is_set_replaced_and_cleared(people: People) -> None:
    created = await create(people, quota_bytes=100, quota_files=10)
    assert (created["quota_bytes"], created["quota_files"]) == (100, 10)
    changed = await request(people, "PATCH", f"/{created['id']}", quota_bytes=0)
    assert (changed["quota_bytes"], changed["quota_files"]) == (0, 10)
    cleared = await request(people, "PATCH", f"/{created['id']}", quota_bytes=None, quota_files=None)
    assert (cleared["quota_bytes"], cleared["quota_files"]) == (None, None)
    assert (await create(people))["quota_bytes"] is None


@pytest.mark.parametrize("quota", [-1, 2**63, "many", 1.5])
async def test_nonsense_for_a_quota_is_refused(people: People, quota: object) -> None:
    body = {"name": "x", "scopes": ["files:read"], "quota_bytes": quota}
    answer = await people.http.post(PATH, json=body, headers=await people.bearer())
    assert (answer.status_code, answer.json()["error"]["details"].keys()) == (400, {"quota_bytes"})


async def test_what_an_account_holds_is_shown(people: People) -> None:
    created = await create(people)
    assert (created["used_bytes"], created["used_files"]) == (0, 0)
    upload = text(
        "INSERT INTO files (file_id, storage_element_id, original_filename, content_type, size, checksum, uploaded_by,"
        " uploaded_at, status, retention_policy, revision)"
        " SELECT gen_random_uuid(), 'se-rw-1', 'a', 'text/plain', 7, 'c', :who, now(), 'active', 'permanent', 1"
        " FROM generate_series(1, 3)"
    )
    async with people.store.transaction() as rows:
        await connection_of(rows).execute(upload, {"who": f"sa:{created['client_id']}"})
    shown = await request(people, "GET", f"/{created['id']}")
    assert (shown["used_bytes"], shown["used_files"]) == (21, 3)
    listed = (await request(people, "GET", "?kind=client"))["items"]
    assert next(one for one in listed if one["id"] == created["id"])["used_bytes"] == 21


async def test_list_is_narrowed_by_kind_and_status(people: People) -> None:
    created = await create(people)
    await request(people, "PATCH", f"/{created['id']}", status="suspended")
    for query, names in [
        ("?kind=service", {"ingester"}),
        ("?kind=client", {"operator", "client", "scanner"}),
        ("?status=suspended", {"scanner"}),
        ("?kind=client&status=active&limit=1", {"operator"}),
    ]:
        page = await request(people, "GET", query)
        assert {one["name"] for one in page["items"]} == names
    assert (page["total"], page["has_more"]) == (2, True)
    wrong = await people.http.get(f"{PATH}?kind=robot", headers=await people.bearer())
    assert (wrong.status_code, wrong.json()["error"]["code"]) == (400, "VALIDATION_ERROR")


async def test_every_change_is_in_the_audit_log_and_holds_no_secret(people: People) -> None:
    created = await create(people)
    place = f"/{created['id']}"
    await request(people, "PATCH", place, scopes=["files:read", "files:write"], status="suspended")
    rotated = await request(people, "POST", f"{place}/rotate-secret", overlap_seconds=60)
    await request(people, "DELETE", place)
    for action in ("created", "changed", "secret_rotated", "deleted"):
        [entry] = [one for one in await people.audit(f"service_account.{action}") if one["actor"] != "system"]
        assert (entry["actor"], entry["target"]) == ("sa:sa_operator_1", created["client_id"])
        assert entry["request_id"]
        for secret in (created["client_secret"], rotated["client_secret"], "argon2"):
            assert secret not in str(entry)
    [changed] = await people.audit("service_account.changed")
    assert changed["details"]["changes"] == {"scopes": ["files:read", "files:write"], "status": "suspended"}


async def test_secrets_that_expire_are_counted(people: People, clock: MovedClock) -> None:
    for name, days in (("soon", 10), ("later", 30), ("never", 0), ("first", 1)):
        await create(people, name, expires_in_days=days)
    suspended = await create(people, "suspended", expires_in_days=3)
    await request(people, "PATCH", f"/{suspended['id']}", status="suspended")
    clock.move(days=2)
    registry = CollectorRegistry()
    expiry = SecretExpiry(people.store.transaction, clock, registry)
    await expiry.refresh()
    assert registry.get_sample_value("artstore_service_accounts_secrets_expiring") == 1
    assert registry.get_sample_value("artstore_service_accounts_secrets_expired") == 1
    clock.move(days=20)
    await expiry.refresh()
    assert registry.get_sample_value("artstore_service_accounts_secrets_expiring") == 1
    assert registry.get_sample_value("artstore_service_accounts_secrets_expired") == 2
    metrics = (await people.http.get("/metrics")).text
    assert "artstore_service_accounts_secrets_expiring " in metrics

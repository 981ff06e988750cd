"""Service accounts: their life, and what ends the use of a secret (I3, I4)."""

from __future__ import annotations

from uuid import uuid4

import httpx
import pytest
from admin_support import Admin

NEW = {"name": "Scanner Nord №2", "kind": "client", "scopes": ["files:read", "files:write"], "expires_in_days": 30}
PATH = "/api/v1/service-accounts"


async def create(admin: Admin) -> dict[str, str]:
    answer = await admin.http.post(PATH, json=NEW, headers=await admin.bearer())
    assert answer.status_code == 201, answer.text
    created: dict[str, str] = answer.json()
    return created


async def sign_in(admin: Admin, client_id: str, secret: str) -> httpx.Response:
    form = {"grant_type": "client_credentials"}
    return await admin.http.post("/api/v1/auth/token", data=form, auth=(client_id, secret))


async def test_new_account_gets_a_readable_id_and_a_secret_that_works(admin: Admin) -> None:
    created = await create(admin)
    assert created["client_id"].startswith("sa_scanner-nord-2_")
    assert (await sign_in(admin, created["client_id"], created["client_secret"])).status_code == 200


async def test_secret_is_shown_only_once(admin: Admin) -> None:
    created = await create(admin)
    shown = await admin.http.get(f"{PATH}/{created['id']}", headers=await admin.bearer())
    assert shown.status_code == 200
    assert "client_secret" not in shown.json()
    assert created["client_secret"] not in (await admin.http.get(PATH, headers=await admin.bearer())).text


async def test_rotation_without_overlap_ends_the_old_secret(admin: Admin) -> None:
    created = await create(admin)
    path = f"{PATH}/{created['id']}/rotate-secret"
    rotated = (await admin.http.post(path, headers=await admin.bearer())).json()
    assert (await sign_in(admin, created["client_id"], created["client_secret"])).status_code == 401
    assert (await sign_in(admin, created["client_id"], rotated["client_secret"])).status_code == 200


async def test_rotation_with_overlap_keeps_both(admin: Admin) -> None:
    created = await create(admin)
    path = f"{PATH}/{created['id']}/rotate-secret"
    rotated = (await admin.http.post(path, json={"overlap_seconds": 60}, headers=await admin.bearer())).json()
    for secret in (created["client_secret"], rotated["client_secret"]):
        assert (await sign_in(admin, created["client_id"], secret)).status_code == 200


async def test_suspended_account_gets_no_token(admin: Admin) -> None:
    created = await create(admin)
    path = f"{PATH}/{created['id']}"
    patched = await admin.http.patch(path, json={"status": "suspended"}, headers=await admin.bearer())
    assert patched.json()["status"] == "suspended"
    assert (await sign_in(admin, created["client_id"], created["client_secret"])).status_code == 401


async def test_deleted_account_is_gone(admin: Admin) -> None:
    path = f"{PATH}/{(await create(admin))['id']}"
    assert (await admin.http.delete(path, headers=await admin.bearer())).status_code == 204
    assert (await admin.http.get(path, headers=await admin.bearer())).status_code == 404
    assert (await admin.http.delete(path, headers=await admin.bearer())).status_code == 404


async def test_list_comes_in_pages(admin: Admin) -> None:
    answer = await admin.http.get(f"{PATH}?limit=2&offset=2", headers=await admin.bearer())
    page = answer.json()
    assert (page["total"], page["limit"], page["offset"], page["has_more"]) == (3, 2, 2, False)
    assert len(page["items"]) == 1


@pytest.mark.parametrize(
    "change",
    [{"name": ""}, {"name": "a\x00b"}, {"scopes": []}, {"scopes": ["root"]}, {"expires_in_days": -1}, {"color": "red"}],
)
async def test_nonsense_is_refused_field_by_field(admin: Admin, change: dict[str, object]) -> None:
    answer = await admin.http.post(PATH, json={**NEW, **change}, headers=await admin.bearer())
    error = answer.json()["error"]
    assert (answer.status_code, error["code"]) == (400, "VALIDATION_ERROR")
    assert all(name.startswith(next(iter(change))) for name in error["details"])


async def test_a_client_without_admin_scope_changes_and_sees_nothing(admin: Admin) -> None:
    headers = await admin.bearer("client")
    for method, path in [("GET", PATH), ("POST", PATH), ("DELETE", f"{PATH}/{uuid4()}")]:
        answer = await admin.http.request(method, path, headers=headers, json=NEW if method == "POST" else None)
        assert (answer.status_code, answer.json()["error"]["code"]) == (403, "FORBIDDEN")
        assert 'error="insufficient_scope"' in answer.headers["www-authenticate"]


@pytest.mark.parametrize("field", ["name", "scopes", "status"])
async def test_what_cannot_be_cleared_is_not(admin: Admin, field: str) -> None:
    path = f"{PATH}/{(await create(admin))['id']}"
    answer = await admin.http.patch(path, json={field: None}, headers=await admin.bearer())
    assert (answer.status_code, answer.json()["error"]["code"]) == (400, "VALIDATION_ERROR")

"""The first start, and the second (I11)."""

from __future__ import annotations

import copy
import json
from pathlib import Path

import pytest
from admin_people import USERS, MovedClock, People
from admin_service.bootstrap import Bootstrap, BootstrapUnreadable
from admin_support import GIVEN, Admin, run_bootstrap


async def audited(admin: Admin) -> list[tuple[str, str, str]]:
    """Actor, action, target; oldest first."""
    answer = await admin.http.get("/api/v1/audit", params={"actor": "system"}, headers=await admin.bearer())
    return [(one["actor"], one["action"], one["target"]) for one in reversed(answer.json()["items"])]


async def test_first_start_is_in_the_audit_log(admin: Admin) -> None:
    logged = await audited(admin)
    assert logged[0][:2] == ("system", "jwt_key.published")
    assert logged[1:] == [
        ("system", "admin_user.created", "admin"),
        *[("system", "service_account.created", one["client_id"]) for one in GIVEN["service_accounts"]],
        *[("system", "storage_element.registered", one["storage_id"]) for one in GIVEN["storage_elements"]],
    ]


async def test_second_bootstrap_changes_nothing(admin: Admin, tmp_path: Path) -> None:
    before = (await admin.http.get("/.well-known/jwks.json")).json()
    logged = await audited(admin)
    await run_bootstrap(admin.store, GIVEN, tmp_path)
    assert await audited(admin) == logged
    accounts = await admin.http.get("/api/v1/service-accounts", headers=await admin.bearer())
    assert accounts.json()["total"] == 3
    async with admin.store.transaction() as rows:
        keys = await rows.keys.published()
    assert [key.public_jwk for key in keys] == before["keys"]


async def test_changed_secret_follows_the_file(admin: Admin, tmp_path: Path) -> None:
    given = copy.deepcopy(GIVEN)
    given["service_accounts"][1]["client_secret"] = "another"
    before = await admin.bearer("client")
    await run_bootstrap(admin.store, given, tmp_path)
    assert (await admin.ask_token("client")).status_code == 401
    assert (await admin.http.get("/api/v1/auth/me", headers=before)).status_code == 401
    assert (await audited(admin))[-1] == ("system", "service_account.changed", "sa_client_1")


async def test_scope_that_the_file_takes_away_ends_the_tokens_that_hold_it(admin: Admin, tmp_path: Path) -> None:
    given = copy.deepcopy(GIVEN)
    given["service_accounts"][1]["scopes"] = ["files:read"]
    before = await admin.bearer("client")
    await run_bootstrap(admin.store, given, tmp_path)
    assert (await admin.http.get("/api/v1/auth/me", headers=before)).status_code == 401
    assert (await admin.http.get("/api/v1/auth/me", headers=await admin.bearer("client"))).json()["scopes"] == [
        "files:read"
    ]


async def test_services_secret_from_the_file_never_ends(admin: Admin, tmp_path: Path) -> None:
    """A rotation by the API gave it an end; the next start takes the file's word again."""
    listed = (await admin.http.get("/api/v1/service-accounts", headers=await admin.bearer())).json()["items"]
    path = f"/api/v1/service-accounts/{next(one['id'] for one in listed if one['name'] == 'ingester')}"
    await admin.http.post(f"{path}/rotate-secret", json={"overlap_seconds": 60}, headers=await admin.bearer())
    await run_bootstrap(admin.store, GIVEN, tmp_path)
    account = (await admin.http.get(path, headers=await admin.bearer())).json()
    assert (account["secret_expires_at"], account["previous_secret_expires_at"]) == (None, None)
    assert (await admin.ask_token("ingester", resource="urn:artstore:internal")).status_code == 200


async def test_account_that_comes_again_does_not_bring_its_old_tokens(
    people: People, clock: MovedClock, tmp_path: Path
) -> None:
    clock.move(seconds=-5)
    before = await people.bearer("client")
    clock.move(seconds=5)
    listed = (await people.http.get("/api/v1/service-accounts", headers=await people.bearer())).json()["items"]
    path = f"/api/v1/service-accounts/{next(one['id'] for one in listed if one['name'] == 'client')}"
    assert (await people.http.delete(path, headers=await people.bearer())).status_code == 204
    await run_bootstrap(people.store, GIVEN, tmp_path)
    assert (await people.http.get("/api/v1/auth/me", headers=before)).status_code == 401
    assert (await people.http.get("/api/v1/auth/me", headers=await people.bearer("client"))).status_code == 200


async def test_admin_who_was_removed_does_not_come_back(people: People, tmp_path: Path) -> None:
    """With the password that everybody knows who has ever seen the file."""
    await people.create("anna", role="admin")
    assert (await people.user("DELETE", await people.id_of("admin"))).status_code == 204
    await run_bootstrap(people.store, GIVEN, tmp_path)
    assert (await people.login()).status_code == 401
    users = (await people.http.get(USERS, headers=await people.bearer())).json()["items"]
    assert [user["username"] for user in users] == ["anna"]


def test_unsafe_element_url_is_refused(tmp_path: Path) -> None:
    file = tmp_path / "bootstrap.json"
    for url in ("http://127.0.0.1", "https://user@host", "https://host/path"):
        file.write_text(json.dumps({"storage_elements": [{"storage_id": "se-1", "url": url}]}))
        with pytest.raises(BootstrapUnreadable):
            Bootstrap.read(file)


def test_what_is_wrong_with_the_file_is_said_and_not_what_stands_in_it(tmp_path: Path) -> None:
    file = tmp_path / "bootstrap.json"
    given = copy.deepcopy(GIVEN)
    given["admin"] = {"username": "admin", "pasword": "secret-1"}
    given["service_accounts"][0] = {"client_id": "not one", "client_secret": "secret-2", "kind": "client"}
    file.write_text(json.dumps(given))
    with pytest.raises(BootstrapUnreadable) as refused:
        Bootstrap.read(file)
    assert "admin.password: Field required" in str(refused.value)
    assert "service_accounts.0.client_id: " in str(refused.value)
    assert "secret-" not in str(refused.value)

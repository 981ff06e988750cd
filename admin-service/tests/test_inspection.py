"""Introspection and revocation, and what a token is worth after its principal changed (RFC 7662, RFC 7009; I7)."""

from __future__ import annotations

from typing import Any

import httpx
import pytest
from admin_people import PASSWORD, MovedClock, People, bearer_of
from admin_service.config import Settings
from admin_service.main import build
from admin_support import ISSUER
from artstore_testing.servers import running_app
from authlib.integrations.requests_client import OAuth2Session

INTROSPECT, REVOKE = "/api/v1/auth/introspect", "/api/v1/auth/revoke"
ACCOUNTS = "/api/v1/service-accounts"


async def ask(people: People, path: str, token: str, account: str = "client", **form: str) -> httpx.Response:
    auth = (f"sa_{account}_1", f"{account}-secret")
    return await people.http.post(path, data={"token": token, **form}, auth=auth)


async def introspect(people: People, token: str) -> dict[str, Any]:
    answer = await ask(people, INTROSPECT, token)
    assert answer.status_code == 200
    assert answer.headers["cache-control"] == "no-store"
    body: dict[str, Any] = answer.json()
    return body


async def account_id(people: People, name: str) -> str:
    listed = await people.http.get(ACCOUNTS, headers=await people.bearer())
    return next(str(one["id"]) for one in listed.json()["items"] if one["name"] == name)


async def change(people: People, name: str, method: str, rest: str = "", **body: Any) -> httpx.Response:
    path = f"{ACCOUNTS}/{await account_id(people, name)}{rest}"
    return await people.http.request(method, path, json=body or None, headers=await people.bearer())


async def test_good_token_is_active_and_says_all_it_holds(people: People) -> None:
    found = await introspect(people, await people.token("client"))
    assert found["active"] is True
    assert (found["token_type"], found["client_id"], found["sub"]) == ("Bearer", "sa_client_1", "sa:sa_client_1")
    assert (found["iss"], found["aud"], found["scope"]) == (ISSUER, "artstore", "files:read files:write")
    assert found["exp"] - found["iat"] == 900
    element = await people.token("ingester", resource="urn:artstore:element:se-rw-1")
    assert (await introspect(people, element))["aud"] == "urn:artstore:element:se-rw-1"


async def test_persons_tokens_are_known(people: People, clock: MovedClock) -> None:
    tokens = await people.signed_in()
    access, refresh = [await introspect(people, tokens[name]) for name in ("access_token", "refresh_token")]
    assert (access["username"], access["role"], access["client_id"]) == ("admin", "admin", "artstore-console")
    assert (refresh["active"], refresh["sub"], refresh["exp"] - refresh["iat"]) == (True, "user:admin", 86400)
    await people.refresh(tokens["refresh_token"])
    assert await introspect(people, tokens["refresh_token"]) == {"active": False}
    clock.move(seconds=901)
    assert await introspect(people, tokens["access_token"]) == {"active": False}


@pytest.mark.parametrize("token", ["nonsense", "a.b.c", "я", "x" * 9000])
async def test_what_is_no_token_of_ours_is_inactive_and_revoked_without_ado(people: People, token: str) -> None:
    assert await introspect(people, token) == {"active": False}
    assert (await ask(people, REVOKE, token)).status_code == 200


async def test_token_with_a_changed_claim_is_inactive(people: People) -> None:
    head, _, signature = (await people.token("client")).split(".")
    _, body, _ = (await people.token("operator")).split(".")
    assert await introspect(people, f"{head}.{body}.{signature}") == {"active": False}


@pytest.mark.parametrize("path", [INTROSPECT, REVOKE])
async def test_refusals_have_the_form_of_rfc_6749(people: People, path: str) -> None:
    wrong = await people.http.post(path, data={"token": "x"}, auth=("sa_client_1", "wrong"))
    nobody = await people.http.post(path, data={"token": "x"})
    nothing = await people.http.post(
        path, data={"token_type_hint": "access_token"}, auth=("sa_client_1", "client-secret")
    )
    told = [(answer.status_code, answer.json()["error"]) for answer in (wrong, nobody, nothing)]
    assert told == [(401, "invalid_client"), (401, "invalid_client"), (400, "invalid_request")]
    assert wrong.headers["www-authenticate"].startswith("Basic")


async def test_revoked_token_is_refused_by_every_replica(replicas: tuple[People, People]) -> None:
    one, other = replicas
    token, second = await one.token("operator"), await one.token("operator")
    headers = {"Authorization": f"Bearer {token}"}
    assert (await other.http.get(ACCOUNTS, headers=headers)).status_code == 200
    for _ in range(2):
        assert (await ask(one, REVOKE, token, "operator", token_type_hint="access_token")).status_code == 200
    refused = await other.http.get(ACCOUNTS, headers=headers)
    assert (refused.status_code, refused.json()["error"]["code"]) == (401, "UNAUTHORIZED")
    assert 'error="invalid_token"' in refused.headers["www-authenticate"]
    assert await introspect(other, token) == {"active": False}
    assert (await introspect(other, second))["active"] is True
    [entry] = await one.audit("token.revoked")
    assert (entry["actor"], entry["target"]) == ("sa:sa_operator_1", "sa:sa_operator_1")


async def test_client_ends_its_own_tokens_and_an_admin_anybodys(people: People) -> None:
    operators, clients = await people.token("operator"), await people.token("client")
    refused = await ask(people, REVOKE, operators, "client")
    assert (refused.status_code, refused.json()["error"]) == (400, "invalid_grant")
    assert (await introspect(people, operators))["active"] is True
    assert (await ask(people, REVOKE, clients, "operator")).status_code == 200
    assert await introspect(people, clients) == {"active": False}


async def test_revoked_refresh_token_ends_its_session(people: People) -> None:
    tokens = await people.signed_in()
    assert (await ask(people, REVOKE, tokens["refresh_token"], token_type_hint="refresh_token")).status_code == 200
    assert (await people.refresh(tokens["refresh_token"])).status_code == 401
    assert (await people.me(tokens)).status_code == 401


async def test_revoked_tokens_are_kept_no_longer_than_they_would_live(people: People, clock: MovedClock) -> None:
    for _ in range(3):
        await ask(people, REVOKE, await people.token("client"))
    clock.move(seconds=1000)
    await ask(people, REVOKE, await people.token("client"))
    assert await people.count("revoked_tokens") == 1


async def test_suspended_account_gets_no_token_and_its_old_ones_count_no_more(people: People) -> None:
    token = {"access_token": await people.token("client")}
    await change(people, "client", "PATCH", status="suspended")
    assert (await people.me(token)).status_code == 401
    assert (await people.ask_token("client")).status_code == 401
    await change(people, "client", "PATCH", status="active")
    assert (await people.me(token)).status_code == 401, "what was ended stays ended"
    assert (await people.me({"access_token": await people.token("client")})).status_code == 200


async def test_token_got_right_after_still_counts_and_one_got_right_before_does_not(people: People) -> None:
    for _ in range(5):
        before = {"access_token": await people.token("client")}
        await change(people, "client", "PATCH", status="suspended")
        await change(people, "client", "PATCH", status="active")
        after = {"access_token": await people.token("client")}
        assert (await people.me(before)).status_code == 401
        assert (await people.me(after)).status_code == 200


async def test_scope_that_was_taken_away_ends_the_tokens_that_hold_it(people: People) -> None:
    token = {"access_token": await people.token("client")}
    await change(people, "client", "PATCH", scopes=["files:read", "files:write", "storage:read"])
    assert (await people.me(token)).status_code == 200, "more is no reason"
    await change(people, "client", "PATCH", scopes=["files:read"])
    assert (await people.me(token)).status_code == 401


async def test_rotation_without_overlap_ends_tokens_and_with_overlap_does_not(people: People) -> None:
    token = {"access_token": await people.token("client")}
    await change(people, "client", "POST", "/rotate-secret", overlap_seconds=60)
    assert (await people.me(token)).status_code == 200
    await change(people, "client", "POST", "/rotate-secret")
    assert (await people.me(token)).status_code == 401


async def test_deleted_accounts_token_counts_no_more(people: People) -> None:
    token = await people.token("client")
    await change(people, "client", "DELETE")
    assert (await people.me({"access_token": token})).status_code == 401


async def test_expired_secret_is_refused(people: People, clock: MovedClock) -> None:
    new = {"name": "short", "scopes": ["files:read"], "expires_in_days": 1}
    created = (await people.http.post(ACCOUNTS, json=new, headers=await people.bearer())).json()
    auth = (created["client_id"], created["client_secret"])
    form = {"grant_type": "client_credentials"}
    assert (await people.http.post("/api/v1/auth/token", data=form, auth=auth)).status_code == 200
    clock.move(days=2)
    assert (await people.http.post("/api/v1/auth/token", data=form, auth=auth)).status_code == 401


async def test_metadata_leads_to_both(people: People) -> None:
    metadata = (await people.http.get("/.well-known/oauth-authorization-server")).json()
    assert metadata["introspection_endpoint"] == f"{ISSUER}{INTROSPECT}"
    assert metadata["revocation_endpoint"] == f"{ISSUER}{REVOKE}"
    for name in ("introspection", "revocation"):
        methods = metadata[f"{name}_endpoint_auth_methods_supported"]
        assert methods == ["client_secret_basic", "client_secret_post"]


@pytest.mark.parametrize("method", ["client_secret_basic", "client_secret_post"])
def test_authlibs_client_introspects_and_revokes(settings: Settings, method: str) -> None:
    client = OAuth2Session(
        "sa_operator_1",
        "operator-secret",
        token_endpoint_auth_method=method,
        revocation_endpoint_auth_method=method,
        introspection_endpoint_auth_method=method,
    )
    with running_app(build(settings)) as url, client:
        token = client.fetch_token(f"{url}/api/v1/auth/token")["access_token"]
        found = client.introspect_token(f"{url}{INTROSPECT}", token=token, token_type_hint="access_token")
        assert found.json()["active"] is True
        assert client.revoke_token(f"{url}{REVOKE}", token=token).status_code == 200
        assert client.introspect_token(f"{url}{INTROSPECT}", token=token).json() == {"active": False}


async def test_denied_secret_is_in_the_audit_log_without_what_was_typed(people: People) -> None:
    form = {"grant_type": "client_credentials"}
    await people.http.post("/api/v1/auth/token", data=form, auth=("sa_client_1", "wrong"))
    await people.http.post("/api/v1/auth/token", data=form, auth=("client-secret", "wrong"))
    known, unknown = await people.audit("client_sign_in.denied")
    assert (known["target"], known["outcome"], known["actor"]) == ("sa_client_1", "denied", "anonymous")
    assert unknown["target"].startswith("unknown:")


async def test_readers_token_ends_with_the_reader(people: People) -> None:
    user = await people.create("reader")
    tokens = await people.signed_in("reader", PASSWORD)
    assert (await introspect(people, tokens["access_token"]))["active"] is True
    await people.http.delete(f"/api/v1/admin-users/{user['id']}", headers=await people.bearer())
    assert await introspect(people, tokens["access_token"]) == {"active": False}
    assert (await people.http.get("/api/v1/auth/me", headers=bearer_of(tokens))).status_code == 401

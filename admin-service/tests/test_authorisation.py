"""Who may call what: every route of the app × every kind of caller, against a table.

A route that is new has no row here and fails; so does a row whose route is gone.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any

import httpx
import pytest
from admin_people import PASSWORD, USERS, People, bearer_of
from admin_service.config import Settings
from admin_service.main import build
from artstore_core.ids import new_id
from artstore_core.scopes import Scope
from fastapi import FastAPI
from fastapi.routing import iter_route_contexts
from sqlalchemy import text

INTERNAL, ELEMENT = "urn:artstore:internal", "urn:artstore:element:se-rw-1"
ACCOUNTS = "/api/v1/service-accounts"
READS = frozenset({Scope.FILES_READ, Scope.STORAGE_READ, Scope.ADMIN_READ})


@dataclass(frozen=True)
class Access:
    """Who is let through. `open`: everybody; what the route asks for beyond that is its own matter (a password, a client's
    secret, a refresh token) and a bearer token changes nothing. `internal`: tokens for ArtStore's inside alone."""

    scope: Scope | None = None
    internal: bool = False
    open: bool = False


OPEN, ANYBODY, SERVICES = Access(open=True), Access(), Access(internal=True)
READ_ADMIN, WRITE_ADMIN = Access(Scope.ADMIN_READ), Access(Scope.ADMIN_WRITE)
READ_STORAGE, WRITE_STORAGE = Access(Scope.STORAGE_READ), Access(Scope.STORAGE_WRITE)
INGESTER = Access(Scope.FILES_WRITE, internal=True)

TABLE: dict[str, Access] = {
    "GET /.well-known/jwks.json": OPEN,
    "GET /.well-known/oauth-authorization-server": OPEN,
    "GET /health/live": OPEN,
    "GET /health/ready": OPEN,
    "GET /metrics": OPEN,
    "GET /openapi.json": OPEN,
    "POST /api/v1/auth/introspect": OPEN,
    "POST /api/v1/auth/login": OPEN,
    "POST /api/v1/auth/logout": OPEN,
    "POST /api/v1/auth/refresh": OPEN,
    "POST /api/v1/auth/revoke": OPEN,
    "POST /api/v1/auth/token": OPEN,
    "GET /api/v1/auth/me": ANYBODY,
    "POST /api/v1/auth/change-password": ANYBODY,
    "GET /api/v1/admin-users": READ_ADMIN,
    "POST /api/v1/admin-users": WRITE_ADMIN,
    "GET /api/v1/admin-users/{user_id}": READ_ADMIN,
    "PATCH /api/v1/admin-users/{user_id}": WRITE_ADMIN,
    "DELETE /api/v1/admin-users/{user_id}": WRITE_ADMIN,
    "POST /api/v1/admin-users/{user_id}/reset-password": WRITE_ADMIN,
    "POST /api/v1/admin-users/{user_id}/unlock": WRITE_ADMIN,
    "GET /admin": OPEN,
    "GET /api/v1/audit": READ_ADMIN,
    "POST /api/v1/audit": SERVICES,
    "PUT /api/v1/idempotency-keys": INGESTER,
    "POST /api/v1/idempotency-keys/finish": INGESTER,
    "DELETE /api/v1/idempotency-keys": INGESTER,
    "GET /api/v1/jwt-keys": READ_ADMIN,
    "POST /api/v1/jwt-keys/rotate": WRITE_ADMIN,
    "PUT /api/v1/quota-reservations/{file_id}": INGESTER,
    "DELETE /api/v1/quota-reservations/{file_id}": INGESTER,
    "GET /api/v1/registry/files": READ_ADMIN,
    "POST /api/v1/registry/files": INGESTER,
    "POST /api/v1/registry/files/together": INGESTER,
    "GET /api/v1/registry/totals": READ_ADMIN,
    "GET /api/v1/registry/files/{file_id}": READ_ADMIN,
    "GET /api/v1/registry/files/{file_id}/location": INGESTER,
    "PATCH /api/v1/registry/files/{file_id}": WRITE_ADMIN,
    "DELETE /api/v1/registry/files/{file_id}": WRITE_ADMIN,
    "GET /api/v1/service-accounts": READ_ADMIN,
    "POST /api/v1/service-accounts": WRITE_ADMIN,
    "GET /api/v1/service-accounts/{account_id}": READ_ADMIN,
    "PATCH /api/v1/service-accounts/{account_id}": WRITE_ADMIN,
    "DELETE /api/v1/service-accounts/{account_id}": WRITE_ADMIN,
    "POST /api/v1/service-accounts/{account_id}/rotate-secret": WRITE_ADMIN,
    "GET /api/v1/storage-elements": READ_STORAGE,
    "POST /api/v1/storage-elements": WRITE_STORAGE,
    "POST /api/v1/storage-elements/discover": WRITE_STORAGE,
    "GET /api/v1/storage-elements/{storage_id}": READ_STORAGE,
    "PATCH /api/v1/storage-elements/{storage_id}": WRITE_STORAGE,
    "DELETE /api/v1/storage-elements/{storage_id}": WRITE_STORAGE,
    "GET /api/v1/storage-elements/{storage_id}/files/{file_id}": READ_STORAGE,
    "POST /api/v1/storage-elements/{storage_id}/mode": WRITE_STORAGE,
    "GET /api/v1/storage-elements/{storage_id}/reconcile": READ_STORAGE,
    "POST /api/v1/storage-elements/{storage_id}/reconcile": WRITE_STORAGE,
    "GET /api/v1/storage-elements/{storage_id}/scrub": READ_STORAGE,
    "POST /api/v1/storage-elements/{storage_id}/scrub": WRITE_STORAGE,
    "POST /api/v1/storage-elements/{storage_id}/sync": WRITE_STORAGE,
    "GET /api/v1/storage-elements/{storage_id}/syncs": READ_STORAGE,
}


@dataclass(frozen=True)
class Asking:
    """One kind of caller. `counts`: the token says who it is, so that only the scope decides."""

    name: str
    headers: dict[str, str]
    scopes: frozenset[str] = frozenset()
    internal: bool = False
    counts: bool = True


def routes_of(app: FastAPI) -> set[str]:
    return {
        f"{method} {context.path}"
        for context in iter_route_contexts(app.routes)
        for method in _methods(set(context.methods or ()))
    }


def _methods(methods: set[str]) -> set[str]:
    """HEAD is GET without the body, and goes by the same rule."""
    return methods - {"HEAD"} if "GET" in methods else methods


def expected(access: Access, who: Asking) -> int | None:
    """401, 403, or None: let through."""
    if access.open:
        return None
    if not who.counts or (access.internal and not who.internal):
        return 401
    return 403 if access.scope is not None and access.scope not in who.scopes else None


async def account(people: People, name: str, kind: str, **fields: Any) -> dict[str, Any]:
    body = {"name": name, "kind": kind, "scopes": sorted(Scope), **fields}
    answer = await people.http.post(ACCOUNTS, json=body, headers=await people.bearer())
    assert answer.status_code == 201, answer.text
    made: dict[str, Any] = answer.json()
    return made


async def ask_token(people: People, of: dict[str, Any], **form: str) -> httpx.Response:
    credentials = (of["client_id"], of["client_secret"])
    form = {"grant_type": "client_credentials", **form}
    return await people.http.post("/api/v1/auth/token", data=form, auth=credentials)


async def token(people: People, of: dict[str, Any], **form: str) -> dict[str, str]:
    answer = await ask_token(people, of, **form)
    assert answer.status_code == 200, answer.text
    return bearer_of(answer.json())


@pytest.fixture
async def askers(people: People) -> list[Asking]:
    service = await account(people, "all", "service")
    everything = frozenset(Scope)
    inside = await token(people, service, resource=INTERNAL)
    return [
        Asking("no token", {}, counts=False),
        Asking("garbage", {"Authorization": "Bearer garbage"}, counts=False),
        Asking("another scheme", {"Authorization": "Basic YWRtaW46Y29ycmVjdCBob3JzZQ=="}, counts=False),
        Asking("broken signature", {"Authorization": inside["Authorization"][:-8] + "AAAAAAAA"}, counts=False),
        Asking("token for an element", await token(people, service, resource=ELEMENT), everything, counts=False),
        *[
            Asking(f"client, {scope} alone", await people.bearer("operator", scope=scope), frozenset({scope}))
            for scope in Scope
        ],
        *[
            Asking(
                f"service, {scope} alone",
                await token(people, service, resource=INTERNAL, scope=scope),
                frozenset({scope}),
                internal=True,
            )
            for scope in Scope
        ],
        *await _people(people),
        *await _programs(people),
    ]


async def _people(people: People) -> list[Asking]:
    await people.create("reader")
    forgetful = await people.create("forgetful", role="admin")
    reset = await people.user("POST", forgetful["id"], "/reset-password", password=PASSWORD + "!")
    assert reset.status_code < 300, reset.text
    new = {"password": PASSWORD + "!"} | (reset.json() if reset.content else {})
    gone = await people.create("gone", role="admin")
    gone_tokens = await people.signed_in("gone", PASSWORD)
    assert (await people.user("PATCH", gone["id"], status="suspended")).status_code == 200
    return [
        Asking("admin", bearer_of(await people.signed_in()), frozenset(Scope)),
        Asking("readonly", bearer_of(await people.signed_in("reader", PASSWORD)), READS),
        Asking("must change the password", bearer_of(await people.signed_in("forgetful", new["password"]))),
        Asking("suspended user", bearer_of(gone_tokens), frozenset(Scope), counts=False),
    ]


async def _programs(people: People) -> list[Asking]:
    suspended = await account(people, "suspended", "client")
    of_suspended = await token(people, suspended)
    change = await people.http.patch(
        f"{ACCOUNTS}/{suspended['id']}", json={"status": "suspended"}, headers=await people.bearer()
    )
    assert change.status_code == 200
    expired = await account(people, "expired", "client")
    of_expired = await token(people, expired)
    async with people.store.transaction() as rows:
        statement = text("UPDATE service_accounts SET secret_expires_at = now() - interval '1 s' WHERE id = :id")
        await rows.audit._connection.execute(statement, {"id": expired["id"]})
    for account_now in (suspended, expired):
        assert (await ask_token(people, account_now)).status_code == 401
    return [
        Asking("suspended account", of_suspended, frozenset(Scope), counts=False),
        # The secret ends what one can get by it; a token that was given before lives its quarter of an hour.
        Asking("expired secret, token from before", of_expired, frozenset(Scope)),
    ]


async def ask(people: People, route: str, headers: dict[str, str]) -> httpx.Response:
    """With ids that do not exist and a body that no route takes: what is let through does no harm."""
    method, path = route.split(" ")
    path = path.replace("{storage_id}", "se-none-1")
    path = re.sub(r"{\w+}", str(new_id()), path)
    body = None if method in ("GET", "DELETE") else {"no_such_field": True}
    return await people.http.request(method, path, json=body, headers=headers)


def test_every_route_has_a_row_and_every_row_a_route(settings: Settings) -> None:
    assert routes_of(build(settings)) == set(TABLE)


async def test_who_may_call_what(people: People, askers: list[Asking]) -> None:
    wrong = []
    for route, access in TABLE.items():
        seen = set()
        for who in askers:
            answer = await ask(people, route, who.headers)
            refused = answer.status_code if answer.status_code in (401, 403) else None
            seen.add(answer.status_code)
            if not access.open and refused != expected(access, who):
                wrong.append(
                    f"{route}, {who.name}: {answer.status_code}, expected {expected(access, who) or 'through'}"
                )
            if refused == 401 and not access.open and "Bearer" not in answer.headers.get("WWW-Authenticate", ""):
                wrong.append(f"{route}, {who.name}: a 401 without a challenge")
            if answer.status_code >= 500:
                wrong.append(f"{route}, {who.name}: {answer.status_code}")
        if access.open and len(seen) != 1:
            wrong.append(f"{route}: a bearer token makes a difference: {seen}")
    assert wrong == []


async def test_a_locked_users_session_goes_on_and_its_password_opens_no_other(people: People) -> None:
    """Locking is against guessing: it ends no session that the right password has begun."""
    await people.create("locked", role="admin")
    tokens = await people.signed_in("locked", PASSWORD)
    for _ in range(5):
        assert (await people.login("locked", "wrong")).status_code == 401
    assert (await people.login("locked", PASSWORD)).status_code == 401
    assert (await people.http.get(USERS, headers=bearer_of(tokens))).status_code == 200

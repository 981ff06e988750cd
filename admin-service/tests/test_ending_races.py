"""Ended while somebody signs in: no token that was got on the way counts (I7)."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

import pytest
from admin_people import PASSWORD, People, connection_of
from admin_service.audit.log import Actor, Journal
from admin_service.identity.clients import ClientAuthentication, ClientCredentials
from admin_service.identity.clock import system_clock
from admin_service.identity.keys import KeyRing, KeyVault
from admin_service.identity.lockout import LockoutPolicy
from admin_service.identity.secrets import Argon2Hasher
from admin_service.identity.sessions import Sessions
from admin_service.identity.sign_in import PasswordCheck
from admin_service.identity.tokens import ClientCredentialsGrant, TokenIssuer
from admin_support import ISSUER, KEY
from artstore_core.errors import Unauthorized
from authlib.oauth2.rfc6749.errors import InvalidClientError
from sqlalchemy import text

NEW = "a password nobody had before"
SOMEBODY = Actor("anonymous")
JOURNAL = Journal(system_clock)


class HeldHasher(Argon2Hasher):
    """Says `reached` when a secret was found right, and goes on when `go` is set."""

    def __init__(self) -> None:
        super().__init__()
        self.reached, self.go = asyncio.Event(), asyncio.Event()

    async def matching(self, secret: str, hashes: Sequence[str]) -> str | None:
        found = await super().matching(secret, hashes)
        self.reached.set()
        await self.go.wait()
        return found


def issuer_of(people: People) -> TokenIssuer:
    keys = KeyRing(people.store.key_rows, KeyVault(KEY), system_clock)
    return TokenIssuer(keys, issuer=ISSUER, lifetime_seconds=900, clock=system_clock)


def sessions_of(people: People, hasher: HeldHasher) -> Sessions:
    rows = people.store.transaction
    passwords = PasswordCheck(rows, hasher, LockoutPolicy(), JOURNAL, system_clock)
    return Sessions(rows, passwords, hasher, issuer_of(people), JOURNAL, system_clock, lifetime_seconds=3600)


@pytest.mark.parametrize(
    ("method", "rest", "body"),
    [
        ("PATCH", "", {"status": "suspended"}),
        ("POST", "/reset-password", {"password": NEW}),
        ("DELETE", "", {}),
    ],
)
async def test_sign_in_that_was_under_way_fails(people: People, method: str, rest: str, body: dict[str, str]) -> None:
    user = await people.create("reader")
    hasher = HeldHasher()
    signing_in = asyncio.create_task(sessions_of(people, hasher).login("reader", PASSWORD, SOMEBODY))
    await hasher.reached.wait()
    assert (await people.user(method, user["id"], rest, **body)).is_success
    hasher.go.set()
    with pytest.raises(Unauthorized):
        await signing_in
    assert await people.count("sessions") == 0


@pytest.mark.parametrize(
    ("method", "rest", "body"),
    [("PATCH", "", {"status": "suspended"}), ("POST", "/rotate-secret", {"overlap_seconds": 0}), ("DELETE", "", {})],
)
async def test_client_that_was_under_way_gets_no_token(
    people: People, method: str, rest: str, body: dict[str, object]
) -> None:
    hasher, rows = HeldHasher(), people.store.transaction
    clients = ClientAuthentication(rows, hasher, hasher, JOURNAL, system_clock)
    grant = ClientCredentialsGrant(rows, clients, issuer_of(people), system_clock)
    credentials = ClientCredentials("sa_client_1", "client-secret")
    asking = asyncio.create_task(grant.token(credentials, SOMEBODY, scope=None, resource=None))
    await hasher.reached.wait()
    listed = await people.http.get("/api/v1/service-accounts", headers=await people.bearer())
    found = next(one["id"] for one in listed.json()["items"] if one["name"] == "client")
    path = f"/api/v1/service-accounts/{found}{rest}"
    assert (await people.http.request(method, path, json=body, headers=await people.bearer())).is_success
    hasher.go.set()
    with pytest.raises(InvalidClientError):
        await asking


async def test_no_token_is_got_past_a_suspension(replicas: tuple[People, People]) -> None:
    one, other = replicas
    user = await one.create("reader")

    async def suspend(after: float) -> None:
        await asyncio.sleep(after)
        assert (await other.user("PATCH", user["id"], status="suspended")).status_code == 200

    for round_number in range(10):
        signed_in, _ = await asyncio.gather(one.login("reader", PASSWORD), suspend(round_number * 0.01))
        assert signed_in.status_code in {200, 401}
        await one.user("PATCH", user["id"], status="active")
        await one.user("POST", user["id"], "/unlock")
        if signed_in.status_code == 200:
            tokens = signed_in.json()
            assert (await one.me(tokens)).status_code == 401
            assert (await one.refresh(tokens["refresh_token"])).status_code == 401


async def test_refreshes_and_suspensions_at_once_never_wait_in_a_circle(replicas: tuple[People, People]) -> None:
    one, other = replicas
    user = await one.create("reader")
    for _ in range(5):
        tokens = [(await one.signed_in("reader", PASSWORD))["refresh_token"] for _ in range(4)]
        answers = await asyncio.gather(
            *(replica.refresh(token) for replica in replicas for token in tokens),
            other.user("PATCH", user["id"], status="suspended"),
            *(one.logout(token) for token in tokens),
        )
        assert {answer.status_code for answer in answers} <= {200, 204, 401}
        await one.user("PATCH", user["id"], status="active")
    async with one.store.transaction() as rows:
        found = await connection_of(rows).execute(text("SELECT count(*) FROM sessions WHERE revoked_at IS NULL"))
        assert found.scalar_one() == 0

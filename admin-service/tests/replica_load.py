"""Mixed load for replicas of admin-service: each kind of work knows which answers are right, and counts them.

An answer that says "not now" (502, 503, 504 in the agreed form) is never wrong; it may hide whether the work was done.
"""

from __future__ import annotations

import asyncio
import secrets
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

import httpx
from admin_support import ISSUER
from artstore_auth.keys import RemoteKeys
from artstore_auth.verify import TokenVerifier
from artstore_core.errors import AdminUnavailable, Unauthorized

NOT_NOW = frozenset({502, 503, 504})
FAILURES = 5
GOOD_PASSWORD = "a long and good password"


class NotNow(Exception):
    """The work was interrupted; whether it was done is unknown."""


@dataclass
class Load:
    """What was asked through one gateway, and what was wrong about the answers."""

    gateway: str
    http: httpx.AsyncClient
    right: Counter[str] = field(default_factory=Counter)
    wrong: list[str] = field(default_factory=list)
    kids: set[str] = field(default_factory=set)
    accounts: set[str] = field(default_factory=set)
    """Ids of service accounts whose making was acknowledged and whose end was never asked for."""
    locked: set[str] = field(default_factory=set)
    """Names with five failures that were each answered, and no success since."""

    async def ask(self, method: str, path: str, expected: set[int], **request: Any) -> httpx.Response:
        """Raises NotNow. An answer that is neither expected nor "not now" is wrong."""
        answer = await self.http.request(method, self.gateway + path, **request)
        if answer.status_code in NOT_NOW:
            if "code" not in answer.json().get("error", {}):
                self.wrong.append(f"{method} {path}: {answer.status_code} in another form: {answer.text[:200]}")
            raise NotNow
        if answer.status_code not in expected:
            self.wrong.append(f"{method} {path}: {answer.status_code} {answer.text[:200]}")
            raise NotNow
        self.right[f"{method} {path.rsplit('/', 1)[0] if path.count('/') > 3 else path}"] += 1
        return answer

    async def bearer(self) -> dict[str, str]:
        form = {"grant_type": "client_credentials"}
        credentials = ("sa_operator_1", "operator-secret")
        answer = await self.ask("POST", "/api/v1/auth/token", {200}, data=form, auth=credentials)
        return {"Authorization": f"Bearer {answer.json()['access_token']}"}


@asynccontextmanager
async def new_load(gateway: str) -> AsyncIterator[Load]:
    async with httpx.AsyncClient(trust_env=False, timeout=40) as http:
        yield Load(gateway, http)


async def tokens_are_taken(load: Load) -> None:
    """A token that was just issued is taken by Envoy, by admin and by a verifier that fetched the keys."""
    bearer = await load.bearer()
    keys = RemoteKeys(f"{load.gateway}/.well-known/jwks.json", load.http)
    try:
        await TokenVerifier(keys, issuer=ISSUER, audiences=["artstore"]).verify(bearer["Authorization"].split()[1])
    except AdminUnavailable:
        raise NotNow from None
    except Unauthorized as error:
        load.wrong.append(f"a verifier refuses a new token: {error!r}")
        return
    await load.ask("GET", "/api/v1/storage-elements", {200}, headers=bearer)


async def accounts_are_kept(load: Load) -> None:
    """What was acknowledged is there; what was deleted is not."""
    bearer = await load.bearer()
    body = {"name": "under load", "scopes": ["files:read"]}
    made = (await load.ask("POST", "/api/v1/service-accounts", {201}, json=body, headers=bearer)).json()
    load.accounts.add(made["id"])
    form = {"grant_type": "client_credentials"}
    await load.ask("POST", "/api/v1/auth/token", {200}, data=form, auth=(made["client_id"], made["client_secret"]))
    if secrets.randbelow(2):
        load.accounts.discard(made["id"])
        path = f"/api/v1/service-accounts/{made['id']}"
        await load.ask("DELETE", path, {204}, headers=bearer)
        await load.ask("GET", path, {404}, headers=bearer)


async def five_failures_lock(load: Load) -> None:
    """Whichever replicas counted them; and nobody is told that it is the lock."""
    bearer = await load.bearer()
    name = f"u{secrets.token_hex(6)}"
    user = {"username": name, "password": GOOD_PASSWORD, "role": "readonly"}
    await load.ask("POST", "/api/v1/admin-users", {201}, json=user, headers=bearer)
    for _ in range(FAILURES):
        await load.ask("POST", "/api/v1/auth/login", {401}, json={"username": name, "password": "not this one"})
    load.locked.add(name)
    await load.ask("POST", "/api/v1/auth/login", {401}, json={"username": name, "password": GOOD_PASSWORD})


async def sessions_go_on(load: Load) -> None:
    """Each refresh token works once."""
    bearer = await load.bearer()
    name = f"s{secrets.token_hex(6)}"
    user = {"username": name, "password": GOOD_PASSWORD, "role": "readonly"}
    await load.ask("POST", "/api/v1/admin-users", {201}, json=user, headers=bearer)
    login = {"username": name, "password": GOOD_PASSWORD}
    token = (await load.ask("POST", "/api/v1/auth/login", {200}, json=login)).json()["refresh_token"]
    for _ in range(3):
        before = token
        token = (await load.ask("POST", "/api/v1/auth/refresh", {200}, json={"refresh_token": token})).json()[
            "refresh_token"
        ]
    await load.ask("POST", "/api/v1/auth/refresh", {401}, json={"refresh_token": before})
    await load.ask("POST", "/api/v1/auth/refresh", {401}, json={"refresh_token": token})


async def keys_rotate(load: Load) -> None:
    """One key signs at any time, however many replicas are asked to rotate at once."""
    bearer = await load.bearer()
    asked = [load.ask("POST", "/api/v1/jwt-keys/rotate", {200, 202}, headers=bearer) for _ in range(2)]
    await asyncio.gather(*asked, return_exceptions=True)
    listed = (await load.ask("GET", "/api/v1/jwt-keys", {200}, headers=bearer)).json()["items"]
    load.kids |= {key["kid"] for key in listed}
    by_status = Counter(key["status"] for key in listed)
    if by_status["active"] != 1 or by_status["next"] > 1:
        load.wrong.append(f"keys: {dict(by_status)}")


async def repeat(work: Callable[[Load], Awaitable[None]], load: Load, pause: float = 0.0) -> None:
    """Until cancelled. A gateway that cannot be reached is wrong; a replica that died is not."""
    while True:
        try:
            await work(load)
        except NotNow:
            load.right["not now"] += 1
        except httpx.TransportError as error:
            load.wrong.append(f"{work.__name__}: {error!r}")
        await asyncio.sleep(pause)

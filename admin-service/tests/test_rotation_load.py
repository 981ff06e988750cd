"""Three rotations under load, two replicas of admin behind the real Envoy: every token counts at everybody's, always."""

from __future__ import annotations

import asyncio
import base64
import os
import random
import signal
from collections import Counter, defaultdict
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path

import httpx
import pytest
from admin_support import ISSUER, KEY
from artstore_gateway.settings import GatewaySettings
from artstore_gateway.testing import free_ports, running_envoy
from artstore_stack.tls import LocalCa
from artstore_testing.postgres import Database
from artstore_testing.servers import running_app
from replica_processes import Replica
from rotation_verifiers import (
    CACHE_SECONDS,
    Ask,
    Verify,
    asked_by_authlib,
    asked_by_requests_oauthlib,
    by_authlib,
    by_ours,
    by_pyjwt,
    files_service,
    key_id,
    through,
)

pytestmark = pytest.mark.integration
PUBLISH_SECONDS = 5
"""Longer than a replica takes to read the new key (a quarter of it) and the slowest cache to fetch it, on a busy machine."""
ROTATIONS = 3
KEYS = "/api/v1/jwt-keys"


@dataclass
class Load:
    """Tokens that were issued, and what became of each time that one was shown to somebody."""

    client: httpx.AsyncClient
    verifiers: Mapping[str, Verify]
    askers: Mapping[str, Ask]
    tokens: list[str] = field(default_factory=list)
    accepted: Counter[str] = field(default_factory=Counter)
    kids: dict[str, set[str]] = field(default_factory=lambda: defaultdict(set))
    refused: list[str] = field(default_factory=list)
    chance: random.Random = field(default_factory=lambda: random.Random(8))
    issued: asyncio.Condition = field(default_factory=asyncio.Condition)

    async def issue(self) -> str:
        answer = await self.client.post(
            "/api/v1/auth/token", data={"grant_type": "client_credentials"}, auth=("sa_operator_1", "operator-secret")
        )
        assert answer.status_code == httpx.codes.OK, answer.text
        return str(answer.json()["access_token"])

    async def keep_issuing(self, name: str, ask: Ask) -> None:
        """Until cancelled."""
        while True:
            try:
                token = await ask()
            except Exception as error:  # noqa: BLE001  each library has errors of its own, and none may come
                self.refused.append(f"token endpoint, {name}: {error!r}")
            else:
                self.accepted[name] += 1
                async with self.issued:
                    self.tokens.append(token)
                    self.issued.notify_all()
            await asyncio.sleep(0.05)

    async def keep_showing(self, name: str) -> None:
        """Until cancelled: the newest token, then any older one, and so on."""
        await self.issued_by(None)
        while True:
            for token in (self.tokens[-1], self.chance.choice(self.tokens)):
                try:
                    await self.verifiers[name](token)
                except (AssertionError, httpx.HTTPError) as error:
                    self.refused.append(f"{name}: {error!r}, {key_id(token)}")
                else:
                    self.accepted[name] += 1
                    self.kids[name].add(key_id(token))
            await asyncio.sleep(0.02)

    async def issued_by(self, kid: str | None) -> None:
        """Waits for a token that this key signed; None: for any."""
        async with self.issued:
            await self.issued.wait_for(lambda: bool(self.tokens) and (kid is None or key_id(self.tokens[-1]) == kid))


@asynccontextmanager
async def running_load(database_url: str, directory: Path, ca: LocalCa) -> AsyncIterator[Load]:
    *admins, http, tls, control = free_ports(5)
    environment = {
        **{name: value for name, value in os.environ.items() if not name.startswith("AM_")},
        "AM_ISSUER": ISSUER,
        "AM_DATABASE_URL": database_url,
        "AM_KEY_ENCRYPTION_KEY": base64.b64encode(KEY).decode(),
        "AM_ELEMENT_POLL_SECONDS": "3600",
        "AM_KEY_PUBLISH_SECONDS": str(PUBLISH_SECONDS),
    }
    replicas = [Replica(port, environment, directory / f"admin-{port}.log") for port in admins]
    gateway, token_url = f"http://127.0.0.1:{http}", f"https://127.0.0.1:{tls}/api/v1/auth/token"
    certificate = ca.server("gateway")
    jwks_url = f"{gateway}/.well-known/jwks.json"
    try:
        await asyncio.gather(*(replica.start() for replica in replicas))
        await asyncio.gather(*(replica.ready() for replica in replicas))
        with running_app(files_service(jwks_url)) as files:
            settings = GatewaySettings(
                port=http, tls_port=tls, control_port=control, issuer=ISSUER, jwks_cache_seconds=CACHE_SECONDS,
                admin_url=",".join(f"http://127.0.0.1:{port}" for port in admins), query_url=files,
                tls_cert_file=certificate.certificate, tls_key_file=certificate.key,
            )  # fmt: skip
            async with running_envoy(settings, directory), httpx.AsyncClient(base_url=gateway, timeout=30) as client:
                verifiers = {
                    "gateway and files": through(client, "/api/v1/files/x"),
                    "gateway and admin": through(client, KEYS),
                    "RemoteKeys": by_ours(jwks_url, client),
                    "PyJWT": by_pyjwt(jwks_url),
                    "Authlib": by_authlib(jwks_url),
                }
                askers = {
                    "issued to Authlib": asked_by_authlib(token_url, ca.certificate),
                    "issued to requests-oauthlib": asked_by_requests_oauthlib(token_url, ca.certificate),
                }
                yield Load(client, verifiers, askers)
    finally:
        await asyncio.gather(*(replica.end(signal.SIGTERM) for replica in replicas))


async def rotate(load: Load, **body: bool) -> str:
    """Asked of both replicas at once; gives the one new key."""
    headers = {"Authorization": f"Bearer {load.tokens[-1]}"}
    asked = (load.client.post(f"{KEYS}/rotate", headers=headers, json=body) for _ in range(4))
    answers = await asyncio.gather(*asked)
    assert {answer.status_code for answer in answers} == {202}
    (kid,) = {answer.json()["kid"] for answer in answers}
    return str(kid)


async def test_no_request_fails_across_three_rotations(migrated: Database, local_ca: LocalCa, tmp_path: Path) -> None:
    async with running_load(migrated.url("artstore_admin"), tmp_path, local_ca) as load:
        askers = {"issued to httpx": load.issue, **load.askers}
        work = [
            *(load.keep_issuing(*one) for one in askers.items()),
            *(load.keep_showing(name) for name in load.verifiers),
        ]
        tasks = [asyncio.create_task(one) for one in work]
        async with asyncio.timeout(100):
            await load.issued_by(None)
            signed = [key_id(load.tokens[0])]
            for _ in range(ROTATIONS):
                signed.append(await rotate(load))
                await load.issued_by(signed[-1])
                await asyncio.sleep(CACHE_SECONDS)  # the load goes on: everybody meets the new key, and renews
        for task in tasks:
            assert not task.done(), task.exception()
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

        print({"kids": len(signed), **load.accepted})  # noqa: T201  the figures, for `pytest -s`
        assert load.refused == []
        assert len(set(signed)) == ROTATIONS + 1
        assert {key_id(token) for token in load.tokens} == set(signed)
        for name in load.verifiers:
            assert load.kids[name] == set(signed), name
        assert all(load.accepted[name] >= 100 for name in load.verifiers)
        assert all(load.accepted[name] >= 20 for name in askers)
        assert load.accepted.total() >= 1000


async def test_leaked_key_is_refused_by_all_as_soon_as_caches_are_renewed(
    migrated: Database, local_ca: LocalCa, tmp_path: Path
) -> None:
    async with running_load(migrated.url("artstore_admin"), tmp_path, local_ca) as load:
        old = await load.issue()
        for verify in load.verifiers.values():
            await verify(old)
        headers = {"Authorization": f"Bearer {old}"}
        answer = await load.client.post(f"{KEYS}/rotate", headers=headers, json={"immediate": True})
        assert (answer.status_code, answer.json()["status"]) == (200, "active")
        async with asyncio.timeout(20):
            await asyncio.gather(*(until_refused(verify, old) for verify in load.verifiers.values()))
            new = await load.issue()
            assert key_id(new) == answer.json()["kid"]
            await asyncio.gather(*(until_accepted(verify, new) for verify in load.verifiers.values()))


async def until_refused(verify: Verify, token: str) -> None:
    while True:
        try:
            await verify(token)
        except AssertionError:
            return
        await asyncio.sleep(0.1)


async def until_accepted(verify: Verify, token: str) -> None:
    while True:
        try:
            return await verify(token)
        except AssertionError:
            await asyncio.sleep(0.1)

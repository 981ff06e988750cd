"""Which tokens pass the gateway, and what happens to tokens while admin is down."""

from __future__ import annotations

import asyncio
import base64
import hmac
import json
import time
from collections.abc import Callable
from pathlib import Path

import jwt
import pytest
from artstore_gateway import ROUTES, Access, Service
from artstore_gateway.testing import Gateway, Keys, running_gateway
from cryptography.hazmat.primitives import serialization

pytestmark = pytest.mark.integration

FILE = "/api/v1/files/x1"


def forged(gateway: Gateway, algorithm: str, secret: bytes | None) -> str:
    """A token by hand: PyJWT refuses to make what an attacker makes."""
    claims = jwt.decode(gateway.keys.token(), options={"verify_signature": False})
    header = {"alg": algorithm, "typ": "at+jwt", "kid": gateway.keys.kid}
    signed = ".".join(encoded(json.dumps(part).encode()) for part in (header, claims))
    signature = b"" if secret is None else hmac.digest(secret, signed.encode(), "sha256")
    return f"{signed}.{encoded(signature)}"


def encoded(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


def public_key(gateway: Gateway) -> bytes:
    return gateway.keys.private.public_key().public_bytes(
        serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo
    )


BAD_TOKENS: dict[str, Callable[[Gateway], str]] = {
    "garbage": lambda _: "abc",
    "expired": lambda gateway: gateway.keys.token(exp=int(time.time()) - 60),
    "never expires": lambda gateway: gateway.keys.token(exp=None),
    "wrong audience": lambda gateway: gateway.keys.token(aud="urn:artstore:internal"),
    "wrong issuer": lambda gateway: gateway.keys.token(iss="https://elsewhere"),
    "another key": lambda gateway: Keys(gateway.keys.issuer).token(),
    "another key, unknown kid": lambda gateway: Keys(gateway.keys.issuer, "k2").token(),
    "alg none": lambda gateway: forged(gateway, "none", None),
    "HS256 with the public key": lambda gateway: forged(gateway, "HS256", public_key(gateway)),
}


@pytest.mark.parametrize("name", BAD_TOKENS)
async def test_bad_token_is_401(gateway: Gateway, name: str) -> None:
    headers = {"Authorization": f"Bearer {BAD_TOKENS[name](gateway)}"}

    response = await gateway.client.get(gateway.url + FILE, headers=headers)

    assert response.status_code == 401
    assert response.headers["www-authenticate"].startswith("Bearer ")
    assert 'error="invalid_token"' in response.headers["www-authenticate"]
    assert response.json()["error"]["code"] == "UNAUTHORIZED"
    assert response.json()["error"]["request_id"] == response.headers["x-request-id"]


@pytest.mark.parametrize("path", [FILE, f"{FILE}?access_token=TOKEN"])
async def test_a_token_counts_only_in_its_header(gateway: Gateway, path: str) -> None:
    response = await gateway.client.get(gateway.url + path.replace("TOKEN", gateway.keys.token()))

    assert response.status_code == 401
    assert response.headers["www-authenticate"] == 'Bearer realm="artstore"'


async def test_the_schemes_name_is_taken_in_either_case(gateway: Gateway) -> None:
    for scheme in ("Bearer", "bearer"):
        headers = {"Authorization": f"{scheme} {gateway.keys.token()}"}

        response = await gateway.client.get(gateway.url + FILE, headers=headers)

        assert response.status_code == 200
        assert response.json()["headers"]["authorization"] == headers["Authorization"]


async def test_every_token_route_asks_for_one(gateway: Gateway) -> None:
    for resource in ROUTES:
        for route in resource.routes:
            path = resource.path.replace("{", "").replace("}", "").replace("**", "x")
            for method in route.methods:
                response = await gateway.client.request(method, gateway.url + path)
                wanted = 401 if route.access is Access.TOKEN else 200
                assert response.status_code == wanted, (method, path)


async def test_events_take_a_ticket_or_a_good_token(gateway: Gateway) -> None:
    url = gateway.url + "/api/v1/renditions/x1/events?ticket=t"
    bad = {"Authorization": f"Bearer {Keys(gateway.keys.issuer).token()}"}

    assert (await gateway.client.get(url)).status_code == 200
    assert (await gateway.client.get(url, headers=bad)).status_code == 401


async def test_the_service_gets_the_token(gateway: Gateway) -> None:
    headers = gateway.bearer()

    response = await gateway.client.get(gateway.url + FILE, headers=headers)

    assert response.json()["headers"]["authorization"] == headers["Authorization"]


async def test_tokens_stay_good_while_admin_is_down(tmp_path: Path) -> None:
    async with running_gateway(tmp_path, jwks_cache_seconds=1) as gateway:
        assert (await gateway.client.get(gateway.url + FILE, headers=gateway.bearer())).status_code == 200
        await gateway.upstreams[Service.ADMIN].stop()

        failed = "http.gateway.jwt_authn.jwks_fetch_failed"
        await _counter_reaches(gateway, failed, 2)  # so the cache's time is over more than once

        assert (await gateway.client.get(gateway.url + FILE, headers=gateway.bearer())).status_code == 200
        other = {"Authorization": f"Bearer {Keys(gateway.keys.issuer, 'k2').token()}"}
        assert (await gateway.client.get(gateway.url + FILE, headers=other)).status_code == 401


async def test_starts_while_admin_is_down_and_recovers(tmp_path: Path) -> None:
    async with running_gateway(tmp_path, without=frozenset({Service.ADMIN})) as gateway:
        early = await gateway.client.get(gateway.url + FILE, headers=gateway.bearer())
        assert early.status_code == 503
        assert early.json()["error"]["code"] == "ADMIN_UNAVAILABLE"
        assert int(early.headers["retry-after"]) > 0

        await gateway.upstreams[Service.ADMIN].start()
        await _counter_reaches(gateway, "http.gateway.jwt_authn.jwks_fetch_success", 1)

        assert (await gateway.client.get(gateway.url + FILE, headers=gateway.bearer())).status_code == 200


async def test_a_new_key_is_seen_within_the_cache_time(tmp_path: Path) -> None:
    async with running_gateway(tmp_path, jwks_cache_seconds=1) as gateway:
        fresh = Keys(gateway.keys.issuer, "k2")
        headers = {"Authorization": f"Bearer {fresh.token()}"}
        assert (await gateway.client.get(gateway.url + FILE, headers=headers)).status_code == 401

        gateway.upstreams[Service.ADMIN].jwks = fresh.jwks
        before = await _counter(gateway, "http.gateway.jwt_authn.jwks_fetch_success")
        await _counter_reaches(gateway, "http.gateway.jwt_authn.jwks_fetch_success", before + 1)

        assert (await gateway.client.get(gateway.url + FILE, headers=headers)).status_code == 200


async def _counter(gateway: Gateway, name: str) -> int:
    control = f"http://127.0.0.1:{gateway.settings.control_port}/stats"
    text = (await gateway.client.get(control, params={"filter": name})).text
    return int(text.partition(":")[2] or 0)


async def _counter_reaches(gateway: Gateway, name: str, value: int) -> None:
    async with asyncio.timeout(15):
        for _ in range(1000):
            if await _counter(gateway, name) >= value:
                return
            await asyncio.sleep(0.05)
    raise TimeoutError(f"{name} >= {value}")

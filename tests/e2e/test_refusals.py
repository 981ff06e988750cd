"""Bad input gets its status and the error form, through the gateway and at the service itself (A5)."""

from __future__ import annotations

import asyncio
import base64
import json
from collections.abc import Iterator
from dataclasses import dataclass
from http.client import HTTPConnection
from pathlib import Path
from typing import Any
from uuid import uuid4

import asyncpg
import httpx
import joserfc.jwt
import jwt
import pytest
from admin_service.identity.keys import KeyVault, SigningKey
from artstore_testing.tokens import TokenIssuer
from joserfc.jwk import RSAKey
from world import MAX_UPLOAD_BYTES, World, pdf, within

pytestmark = pytest.mark.e2e
UPLOAD = "/api/v1/files/upload"
FILE = f"/api/v1/files/{uuid4()}"


@dataclass(frozen=True)
class Case:
    """`direct`: the service that answers it; None where only the gateway does."""

    name: str
    method: str
    path: str
    status: int
    code: str
    direct: str | None = "query"
    auth: str = "good"
    body: Any = None
    form: dict[str, str] | None = None


CASES = [
    Case("no token", "GET", FILE, 401, "UNAUTHORIZED", auth="none"),
    Case("expired token", "GET", FILE, 401, "UNAUTHORIZED", auth="expired"),
    Case("another key", "GET", FILE, 401, "UNAUTHORIZED", auth="other key"),
    Case("alg none", "GET", FILE, 401, "UNAUTHORIZED", auth="alg none"),
    Case("garbage token", "GET", FILE, 401, "UNAUTHORIZED", auth="garbage"),
    Case("wrong audience", "GET", FILE, 401, "UNAUTHORIZED", auth="internal"),
    Case("wrong scope", "POST", UPLOAD, 403, "FORBIDDEN", "ingester", auth="reader", form={}),
    Case("wrong scope of admin", "GET", "/api/v1/service-accounts", 403, "FORBIDDEN", "admin"),
    Case("unknown file", "GET", FILE, 404, "NOT_FOUND"),
    Case("file id that is none", "GET", "/api/v1/files/nonsense", 400, "VALIDATION_ERROR"),
    Case("unknown path", "GET", "/api/v1/nothing", 404, "NOT_FOUND"),
    Case("unknown path without token", "GET", "/nothing", 404, "NOT_FOUND", auth="none"),
    Case("wrong method", "PUT", "/api/v1/search", 405, "METHOD_NOT_ALLOWED"),
    Case("wrong method on a file", "POST", FILE, 405, "METHOD_NOT_ALLOWED", direct=None),
    Case("bad JSON", "POST", "/api/v1/search", 400, "VALIDATION_ERROR", body=b"{nope"),
    Case("unknown field", "POST", "/api/v1/search", 400, "VALIDATION_ERROR", body=b'{"quarry": "x"}'),
    Case("JSON too large", "POST", "/api/v1/search", 413, "FILE_TOO_LARGE", body=b" " * (2 * 1024 * 1024)),
    Case("ttl 0", "POST", UPLOAD, 400, "VALIDATION_ERROR", "ingester",
         form={"retention_policy": "temporary", "ttl_days": "0"}),
    Case("ttl 366", "POST", UPLOAD, 400, "VALIDATION_ERROR", "ingester",
         form={"retention_policy": "temporary", "ttl_days": "366"}),
    Case("ttl of a permanent file", "POST", UPLOAD, 400, "VALIDATION_ERROR", "ingester", form={"ttl_days": "5"}),
    Case("metadata is no object", "POST", UPLOAD, 400, "VALIDATION_ERROR", "ingester", form={"metadata": "[1]"}),
    Case("metadata is no JSON", "POST", UPLOAD, 400, "VALIDATION_ERROR", "ingester", form={"metadata": "{"}),
    Case("unknown policy", "POST", UPLOAD, 400, "VALIDATION_ERROR", "ingester", form={"retention_policy": "x"}),
    Case("upload that is no form", "POST", UPLOAD, 400, "VALIDATION_ERROR", "ingester", body=b"hello"),
]  # fmt: skip


def expired_token(world: World) -> str:
    """Right in every way but its time: signed with the stack's own key, which only its vault opens."""
    claims = jwt.decode(world.new_token(), options={"verify_signature": False})
    key = asyncio.run(signing_key(world))
    old = {**claims, "iat": claims["iat"] - 7200, "exp": claims["exp"] - 7200}
    return joserfc.jwt.encode({"alg": "RS256", "typ": "at+jwt", "kid": key.kid}, old, key, algorithms=["RS256"])


async def signing_key(world: World) -> RSAKey:
    sealed = base64.b64decode((Path(world.stack.data_dir) / "secrets" / "key-encryption-key").read_text())
    connection = await asyncpg.connect(world.credentials["database_url"])
    try:
        row = await connection.fetchrow("SELECT * FROM jwt_keys ORDER BY active_from DESC LIMIT 1")
    finally:
        await connection.close()
    return KeyVault(sealed).open(SigningKey(**row))


def authorization(world: World, kind: str) -> dict[str, str]:
    issuer = TokenIssuer(world.credentials["gateway_tls"])
    match kind:
        case "none":
            return {}
        case "garbage":
            return {"Authorization": "Bearer a.b.c"}
        case "reader":
            return world.bearer("client", scope="files:read")
        case "internal":
            return world.bearer("service", resource="urn:artstore:internal")
        case "expired":
            return {"Authorization": f"Bearer {expired_token(world)}"}
        case "other key":
            return issuer.bearer()
        case "alg none":
            head, payload, _ = issuer.token().split(".")
            assert head
            return {"Authorization": f"Bearer eyJhbGciOiJub25lIiwidHlwIjoiYXQrand0In0.{payload}."}
        case _:
            return world.bearer()


def send(world: World, base: str, case: Case) -> httpx.Response:
    headers = authorization(world, case.auth)
    if case.form is not None:
        files = {"file": ("a.pdf", pdf("x"))}
        return world.http.request(case.method, base + case.path, headers=headers, data=case.form, files=files)
    headers["Content-Type"] = "application/json"
    return world.http.request(case.method, base + case.path, headers=headers, content=case.body)


def check(answer: httpx.Response, case: Case) -> None:
    assert answer.status_code == case.status, answer.text
    assert answer.headers["content-type"].startswith("application/json")
    error = json.loads(answer.text)["error"]
    assert error["code"] == case.code
    assert error["message"]
    if case.status == 401:
        assert answer.headers["www-authenticate"].startswith("Bearer")
    if case.status == 405:
        assert answer.headers["allow"]


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_through_the_gateway(world: World, case: Case) -> None:
    check(send(world, world.gateway, case), case)


@pytest.mark.parametrize("case", [case for case in CASES if case.direct], ids=lambda case: case.name)
def test_at_the_service_itself(world: World, case: Case) -> None:
    assert case.direct is not None
    check(send(world, world.credentials["services"][case.direct], case), case)


def test_real_token_with_a_broken_signature_is_refused(world: World) -> None:
    answer = world.http.get(world.gateway + FILE, headers={"Authorization": f"Bearer {world.new_token()[:-4]}AAAA"})
    assert answer.status_code == 401


def test_too_large_file_is_refused_before_it_is_sent(world: World) -> None:
    """The head of the request says enough; not a byte of the body is needed for the refusal."""
    headers = {
        **world.bearer(),
        "Content-Type": "multipart/form-data; boundary=b",
        "Content-Length": str(MAX_UPLOAD_BYTES * 2),
    }
    for base in (world.gateway, world.credentials["services"]["ingester"]):
        connection = HTTPConnection(base.removeprefix("http://"), timeout=30)
        connection.request("POST", UPLOAD, headers=headers)
        answer = connection.getresponse()
        error = json.loads(answer.read())["error"]
        connection.close()
        assert (answer.status, error["code"]) == (413, "FILE_TOO_LARGE")


def test_too_large_file_of_unknown_length_is_refused_and_leaves_nothing(world: World) -> None:
    """Nothing announces the size here: it is found while the bytes arrive, and the element keeps none of them."""
    before = stored(world)
    head = b'--b\r\nContent-Disposition: form-data; name="file"; filename="a.bin"\r\n\r\n'
    piece = bytes(1024 * 1024)

    def endless() -> Iterator[bytes]:
        yield head
        for _ in range(2 * MAX_UPLOAD_BYTES // len(piece)):
            yield piece

    headers = {**world.bearer(), "Content-Type": "multipart/form-data; boundary=b"}
    answer = world.http.post(world.gateway + UPLOAD, headers=headers, content=endless())
    assert (answer.status_code, answer.json()["error"]["code"]) == (413, "FILE_TOO_LARGE")
    within(10, lambda: stored(world) == before, "nothing of the refused file is left")


def stored(world: World) -> list[str]:
    """Every file on the elements' disks that belongs to an upload, finished or not."""
    roots = Path(world.stack.data_dir) / "elements"
    return sorted(
        str(path.relative_to(roots))
        for path in roots.rglob("*")
        if path.is_file() and path.parent.name != "keys" and path.suffix in (".data", ".part", ".tmp", ".json")
    )


def test_escaped_slash_is_refused(world: World) -> None:
    answer = world.http.get(f"{world.gateway}/api/v1/files%2f{uuid4()}", headers=world.bearer())
    assert (answer.status_code, answer.json()["error"]["code"]) == (400, "VALIDATION_ERROR")


def test_what_is_internal_cannot_be_reached(world: World) -> None:
    for path in ("/health/live", "/health/ready", "/metrics", "/openapi.json"):
        assert world.http.get(world.gateway + path, headers=world.bearer("operator")).status_code == 404
    assert (
        world.http.post(f"{world.gateway}/api/v1/registry/files", json={}, headers=world.bearer("operator")).status_code
        == 405
    )

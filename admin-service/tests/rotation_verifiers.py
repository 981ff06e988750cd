"""Everybody who checks ArtStore's tokens, each by its own means: Envoy, our services, PyJWT, Authlib."""

import asyncio
import base64
import json
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from functools import partial
from pathlib import Path
from typing import Annotated

import httpx
import jwt
from admin_support import ISSUER
from artstore_auth.guard import Guard
from artstore_auth.keys import RemoteKeys
from artstore_auth.verify import TokenVerifier
from artstore_core.errors import ArtStoreError
from artstore_core.scopes import PUBLIC_AUDIENCE, Principal, Scope
from artstore_kit.app import ServiceInfo, create_app
from authlib.integrations.requests_client import OAuth2Session as AuthlibSession
from authlib.oauth2.rfc6749.errors import OAuth2Error
from authlib.oauth2.rfc9068 import JWTBearerTokenValidator
from fastapi import APIRouter, Depends, FastAPI
from joserfc.jwk import KeySet
from oauthlib.oauth2 import BackendApplicationClient
from requests_oauthlib import OAuth2Session

CACHE_SECONDS = 1
"""How long each of them keeps keys here; 300 s and less where it counts."""

Ask = Callable[[], Awaitable[str]]
"""Gets a token by client credentials."""

Verify = Callable[[str], Awaitable[None]]
"""Raises AssertionError when it refuses the token."""


def key_id(token: str) -> str:
    head = token.split(".")[0]
    return str(json.loads(base64.urlsafe_b64decode(head + "=" * (-len(head) % 4)))["kid"])


def files_service(jwks_url: str) -> FastAPI:
    """As every service of ours checks tokens: keys of its own, fetched and kept by RemoteKeys."""
    client = httpx.AsyncClient(trust_env=False)
    guard = Guard(our_verifier(jwks_url, client))
    routes = APIRouter()

    @routes.get("/api/v1/files/{file_id}")
    async def file(_who: Annotated[Principal, Depends(guard.require(Scope.FILES_READ))], file_id: str) -> str:
        return file_id

    @asynccontextmanager
    async def lifespan() -> AsyncIterator[None]:
        yield
        await client.aclose()

    return create_app(ServiceInfo("files", "0", "files"), routers=[routes], lifespan=lifespan)


def our_verifier(jwks_url: str, client: httpx.AsyncClient) -> TokenVerifier:
    keys = RemoteKeys(jwks_url, client, fresh_seconds=CACHE_SECONDS, refetch_seconds=CACHE_SECONDS / 2)
    return TokenVerifier(keys, issuer=ISSUER, audiences=[PUBLIC_AUDIENCE])


def through(client: httpx.AsyncClient, path: str) -> Verify:
    """The gateway checks the token, and then the service behind it does."""

    async def verify(token: str) -> None:
        answer = await client.get(path, headers={"Authorization": f"Bearer {token}"})
        assert answer.status_code == httpx.codes.OK, f"{answer.status_code} {answer.text}"

    return verify


def by_ours(jwks_url: str, client: httpx.AsyncClient) -> Verify:
    verifier = our_verifier(jwks_url, client)

    async def verify(token: str) -> None:
        try:
            await verifier.verify(token)
        except ArtStoreError as error:
            raise AssertionError(error.message) from None

    return verify


def by_pyjwt(jwks_url: str) -> Verify:
    keys = jwt.PyJWKClient(jwks_url, lifespan=CACHE_SECONDS)

    def check(token: str) -> None:
        try:
            key = keys.get_signing_key_from_jwt(token).key
            jwt.decode(token, key, algorithms=["RS256"], audience=PUBLIC_AUDIENCE, issuer=ISSUER)
        except jwt.PyJWTError as error:
            raise AssertionError(repr(error)) from None

    return in_a_thread(check)


class _Authlib(JWTBearerTokenValidator):  # type: ignore[misc]  # Authlib has no types
    """Authlib leaves the fetching and keeping of keys to its user."""

    def __init__(self, jwks_url: str) -> None:
        super().__init__(issuer=ISSUER, resource_server=PUBLIC_AUDIENCE)
        self._url, self._until, self._set = jwks_url, 0.0, KeySet([])

    def get_jwks(self) -> KeySet:
        if time.monotonic() >= self._until:
            self._set = KeySet.import_key_set(httpx.get(self._url, trust_env=False).raise_for_status().json())
            self._until = time.monotonic() + CACHE_SECONDS
        return self._set


def by_authlib(jwks_url: str) -> Verify:
    validator = _Authlib(jwks_url)

    def check(token: str) -> None:
        try:
            validator.validate_token(validator.authenticate_token(token), ["files:read"], None)
        except (OAuth2Error, ValueError) as error:
            raise AssertionError(repr(error)) from None

    return in_a_thread(check)


def asked_by_authlib(token_url: str, ca_file: Path) -> Ask:
    def ask() -> str:
        with AuthlibSession("sa_operator_1", "operator-secret") as session:
            return str(session.fetch_token(token_url, grant_type="client_credentials", verify=ca_file)["access_token"])

    return partial(asyncio.to_thread, ask)


def asked_by_requests_oauthlib(token_url: str, ca_file: Path) -> Ask:
    def ask() -> str:
        with OAuth2Session(client=BackendApplicationClient(client_id="sa_operator_1")) as session:
            token = session.fetch_token(
                token_url,
                client_id="sa_operator_1",
                client_secret="operator-secret",
                verify=str(ca_file),  # type: ignore[arg-type]  # the stubs know only bool; requests takes a path too
            )
            return str(token["access_token"])

    return partial(asyncio.to_thread, ask)


def in_a_thread(check: Callable[[str], None]) -> Verify:
    async def verify(token: str) -> None:
        await asyncio.to_thread(check, token)

    return verify

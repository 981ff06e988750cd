"""A service's own tokens: got by client credentials (RFC 6749 §4.4) for one target (RFC 8707), renewed in time."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator
from functools import partial

import httpx
from authlib.oauth2.rfc6749 import OAuth2Token
from pydantic import SecretStr

RENEW_BEFORE_SECONDS = 60
LAST_SECONDS = 10
"""Of a token's life, in which it is not sent any more: it might end on its way."""


class TokenRefused(httpx.HTTPError):
    """The token endpoint did not give a token; the request was not sent."""


class TokenSource:
    """Tokens of one account, one per target, each fetched once however many ask at the same time.

    One that is about to end is renewed while it still serves: nobody waits for admin, or fails without it, before the last moment.
    """

    def __init__(self, client: httpx.AsyncClient, token_url: str, client_id: str, secret: SecretStr) -> None:
        self._client, self._url = client, token_url
        self._credentials = httpx.BasicAuth(client_id, secret.get_secret_value())
        self._tokens: dict[str, OAuth2Token] = {}
        self._renewals: dict[str, asyncio.Task[OAuth2Token]] = {}

    async def token(self, resource: str) -> str:
        """A token that is good for a request that begins now. Raises httpx.HTTPError when none can be had."""
        held = self._tokens.get(resource)
        if held is not None and not held.is_expired(leeway=RENEW_BEFORE_SECONDS):
            return str(held["access_token"])
        renewal = self._renewal(resource)
        if held is not None and not held.is_expired(leeway=LAST_SECONDS):
            return str(held["access_token"])
        return str((await asyncio.shield(renewal))["access_token"])

    def forget(self, resource: str, token: str) -> None:
        """Drops a token that was refused, unless it was renewed meanwhile."""
        held = self._tokens.get(resource)
        if held is not None and held["access_token"] == token:
            del self._tokens[resource]

    def _renewal(self, resource: str) -> asyncio.Task[OAuth2Token]:
        """Under way for all who ask: it goes on when one of them is gone, and its failure is everybody's."""
        renewal = self._renewals.get(resource)
        if renewal is None:
            renewal = self._renewals[resource] = asyncio.create_task(
                self._fetch(resource), name=f"token for {resource}"
            )
            renewal.add_done_callback(partial(self._renewed, resource))
        return renewal

    def _renewed(self, resource: str, renewal: asyncio.Task[OAuth2Token]) -> None:
        del self._renewals[resource]
        if not renewal.cancelled() and renewal.exception() is None:
            self._tokens[resource] = renewal.result()

    async def _fetch(self, resource: str) -> OAuth2Token:
        form = {"grant_type": "client_credentials", "resource": resource}
        response = await self._client.post(self._url, data=form, auth=self._credentials)
        if response.status_code != httpx.codes.OK:
            raise TokenRefused(f"the token endpoint answered {response.status_code}")
        token: OAuth2Token = OAuth2Token.from_dict(response.json())
        return token


class ServiceAuth(httpx.Auth):
    """For httpx: signs each request with a token for `resource`; a 401 is tried once more with a new token.

    A request whose body is a stream cannot be sent twice, so its 401 is handed to the caller.
    """

    def __init__(self, source: TokenSource, resource: str) -> None:
        self._source, self._resource = source, resource

    async def async_auth_flow(self, request: httpx.Request) -> AsyncGenerator[httpx.Request, httpx.Response]:
        can_repeat = isinstance(request.stream, httpx.ByteStream)
        token = await self._source.token(self._resource)
        request.headers["Authorization"] = f"Bearer {token}"
        response = yield request
        if response.status_code == httpx.codes.UNAUTHORIZED:
            self._source.forget(self._resource, token)
            if can_repeat:
                request.headers["Authorization"] = f"Bearer {await self._source.token(self._resource)}"
                yield request

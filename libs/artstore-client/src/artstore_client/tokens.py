"""Access tokens by client credentials (RFC 6749 §4.4), renewed before they expire."""

from __future__ import annotations

import base64
import json
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote_plus

import anyio

from artstore_client.errors import ProtocolError

_MARGIN_SECONDS = 30.0
"""A token is renewed this long before its end: an upload that starts now has its token checked only at its start, but
clocks differ and requests queue."""


@dataclass(frozen=True, slots=True)
class Grant:
    """What the token endpoint gave. `expires_in` is in seconds from the answer."""

    access_token: str
    expires_in: float
    scopes: tuple[str, ...] = ()

    @classmethod
    def from_json(cls, body: Any) -> Grant:
        """Reads RFC 6749 §5.1. Raises ProtocolError for anything else."""
        try:
            if str(body["token_type"]).lower() != "bearer":
                raise ProtocolError("the token endpoint gave a token that is not a bearer token")
            return cls(
                access_token=str(body["access_token"]),
                expires_in=float(body.get("expires_in", 300)),
                scopes=tuple(str(body.get("scope", "")).split()),
            )
        except (KeyError, TypeError, ValueError, AttributeError) as error:
            raise ProtocolError("the token endpoint answered something else than a token") from error

    def __repr__(self) -> str:
        return f"Grant(expires_in={self.expires_in}, scopes={self.scopes})"  # a log must not hold the token

    def claims(self) -> dict[str, Any]:
        """The token's own words, unverified: to show, never to decide. Empty for an opaque token."""
        try:
            payload = self.access_token.split(".")[1]
            claims = json.loads(base64.urlsafe_b64decode(payload + "=" * (-len(payload) % 4)))
        except (IndexError, ValueError):
            return {}
        return claims if isinstance(claims, dict) else {}


def basic(client_id: str, client_secret: str) -> str:
    """The `Authorization` header of RFC 6749 §2.3.1: both halves are form-encoded before Basic encodes them."""
    pair = f"{quote_plus(client_id)}:{quote_plus(client_secret)}"
    return "Basic " + base64.b64encode(pair.encode()).decode()


class Tokens:
    """One current token, asked for by one task at a time however many need it.

    `fetch` asks the token endpoint; `clock` gives monotonic seconds.
    """

    def __init__(self, fetch: Callable[[], Awaitable[Grant]], *, clock: Callable[[], float] = time.monotonic) -> None:
        self._fetch = fetch
        self._clock = clock
        self._lock = anyio.Lock()
        self._grant: Grant | None = None
        self._renew_at = 0.0

    async def current(self) -> Grant:
        """A token that is good for a while yet."""
        return await self._obtain(refused=None)

    async def after_refusal(self, refused: Grant) -> Grant:
        """A token to use instead of one that got 401: another task's new one if there is one already."""
        return await self._obtain(refused=refused)

    async def _obtain(self, refused: Grant | None) -> Grant:
        async with self._lock:
            if self._grant is None or self._grant is refused or self._clock() >= self._renew_at:
                asked_at = self._clock()
                self._grant = await self._fetch()
                lifetime = self._grant.expires_in
                self._renew_at = asked_at + lifetime - min(_MARGIN_SECONDS, lifetime / 5)
            return self._grant

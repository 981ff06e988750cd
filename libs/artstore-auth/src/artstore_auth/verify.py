"""Verifying access tokens: JWT profile for OAuth 2.0 access tokens (RFC 9068 §4)."""

from __future__ import annotations

import time
from collections.abc import Callable, Collection
from typing import Any, NamedTuple

from artstore_core.errors import AdminUnavailable
from artstore_core.scopes import Principal
from joserfc import jws, jwt
from joserfc.errors import JoseError
from joserfc.jwk import RSAKey

from artstore_auth.challenge import invalid_token
from artstore_auth.keys import KeySource, NoKeys

ALGORITHM = "RS256"
TOKEN_TYPE = "at+jwt"  # RFC 9068 §2.1
LEEWAY_SECONDS = 30
"""How far two clocks may differ."""
MAX_TOKEN_BYTES = 8192
MAX_VERIFIED_TOKENS = 1024
"""A caller sends the same token for minutes: so many are remembered, the oldest gives way."""


class Verified(NamedTuple):
    """A token whose signature by `key` was right. Its times are checked again each time it comes."""

    kid: str
    key: RSAKey
    claims: dict[str, Any]


class TokenVerifier:
    """Turns a token into its principal, or raises Unauthorized saying which claim was refused."""

    def __init__(
        self,
        keys: KeySource,
        *,
        issuer: str,
        audiences: Collection[str],
        clock: Callable[[], float] = time.time,
    ) -> None:
        self._keys, self._issuer, self._audiences, self._clock = keys, issuer, frozenset(audiences), clock
        self._verified: dict[str, Verified] = {}

    async def verify(self, token: str) -> Principal:
        known = self._verified.get(token)
        # Not the key's id alone: one that was withdrawn, or came anew, is another object.
        if known is not None and await self._find(known.kid) is known.key:
            return self._principal(known.claims)
        verified = await self._verify(token)
        principal = self._principal(verified.claims)
        self._remember(token, verified)
        return principal

    async def _verify(self, token: str) -> Verified:
        kid = self._key_id(token)
        key = await self._find(kid)
        if key is None:
            raise invalid_token("unknown signing key")
        try:
            return Verified(kid, key, jwt.decode(token, key, algorithms=[ALGORITHM]).claims)
        except (JoseError, ValueError):
            raise invalid_token("bad signature") from None

    async def _find(self, kid: str) -> RSAKey | None:
        try:
            return await self._keys.find(kid)
        except NoKeys:
            raise AdminUnavailable("Signing keys cannot be fetched yet") from None

    def _remember(self, token: str, verified: Verified) -> None:
        self._verified.pop(token, None)
        while len(self._verified) >= MAX_VERIFIED_TOKENS:
            del self._verified[next(iter(self._verified))]
        self._verified[token] = verified

    def _key_id(self, token: str) -> str:
        if len(token) > MAX_TOKEN_BYTES:
            raise invalid_token("too long")
        try:
            header = jws.extract_compact(token.encode("ascii")).headers()
        except (JoseError, ValueError):
            raise invalid_token("not a JWT") from None
        # The header is the sender's word: only the one algorithm and type that admin issues are ever tried.
        if header.get("alg") != ALGORITHM:
            raise invalid_token("wrong algorithm")
        if str(header.get("typ", "")).lower().removeprefix("application/") != TOKEN_TYPE:
            raise invalid_token("not an access token")
        kid = header.get("kid")
        if not isinstance(kid, str):
            raise invalid_token("no key id")
        return kid

    def _principal(self, claims: dict[str, Any]) -> Principal:
        now = self._clock()
        if claims.get("iss") != self._issuer:
            raise invalid_token("wrong issuer")
        audience = self._accepted_audience(claims.get("aud"))
        expires, not_before = claims.get("exp"), claims.get("nbf", claims.get("iat"))
        if not isinstance(expires, int | float) or expires <= now - LEEWAY_SECONDS:
            raise invalid_token("expired")
        if not isinstance(not_before, int | float) or not_before > now + LEEWAY_SECONDS:
            raise invalid_token("not yet valid")
        subject, scope = claims.get("sub"), claims.get("scope", "")
        if not isinstance(subject, str) or not subject or not isinstance(scope, str):
            raise invalid_token("incomplete")
        return Principal(
            subject=subject,
            client_id=claims.get("client_id"),
            scopes=frozenset(scope.split()),
            audience=audience,
            role=claims.get("role"),
            token_id=claims.get("jti"),
            issued_at=claims.get("iat"),
        )

    def _accepted_audience(self, audience: object) -> str:
        for one in audience if isinstance(audience, list) else [audience]:
            if isinstance(one, str) and one in self._audiences:
                return one
        raise invalid_token("wrong audience")

"""The token endpoint's meaning: client credentials in, a signed access token out (RFC 6749 §4.4, RFC 9068)."""

from __future__ import annotations

import uuid
from collections.abc import Callable
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from typing import Protocol

from artstore_core.scopes import INTERNAL_AUDIENCE, PUBLIC_AUDIENCE, AccountKind, Scope, element_of
from authlib.oauth2.rfc6749.errors import InvalidClientError, InvalidScopeError, OAuth2Error
from joserfc import jwt

from admin_service.identity.accounts import AccountRows, ServiceAccount
from admin_service.identity.clock import Clock
from admin_service.identity.keys import KeyRing
from admin_service.identity.secrets import SecretHasher


class InvalidTargetError(OAuth2Error):  # type: ignore[misc]
    """The `resource` is missing, unknown or not for this account (RFC 8707 §2)."""

    error = "invalid_target"


@dataclass(frozen=True, slots=True)
class ClientCredentials:
    client_id: str
    secret: str


@dataclass(frozen=True, slots=True)
class IssuedToken:
    access_token: str
    expires_in: int
    scope: str


class KnownElements(Protocol):
    async def get(self, storage_id: str) -> object | None: ...


class Rows(Protocol):
    """What the token endpoint reads, within one transaction."""

    @property
    def accounts(self) -> AccountRows: ...

    @property
    def elements(self) -> KnownElements: ...


class TokenIssuer:
    """Signs access tokens of the JWT profile: `at+jwt` with iss, sub, aud, client_id, scope, iat, exp, jti."""

    def __init__(self, keys: KeyRing, *, issuer: str, lifetime_seconds: int, clock: Clock) -> None:
        self._keys, self._issuer, self._lifetime, self._clock = keys, issuer, lifetime_seconds, clock

    async def issue(self, *, subject: str, client_id: str, audience: str, scopes: frozenset[Scope]) -> IssuedToken:
        now, scope = int(self._clock().timestamp()), " ".join(sorted(scopes))
        key = await self._keys.signer()
        header = {"alg": "RS256", "typ": "at+jwt", "kid": key.kid}
        claims = {
            "iss": self._issuer,
            "sub": subject,
            "aud": audience,
            "client_id": client_id,
            "scope": scope,
            "iat": now,
            "exp": now + self._lifetime,
            "jti": str(uuid.uuid4()),
        }
        return IssuedToken(jwt.encode(header, claims, key, algorithms=["RS256"]), self._lifetime, scope)


class ClientCredentialsGrant:
    """Raises authlib's OAuth2Error subclasses, which know their own body and status.

    `for_services` checks the secrets of accounts of kind service: a flood of sign-ins from outside fills the other
    hasher's queue, and must not keep ArtStore's own parts from renewing their tokens.
    """

    def __init__(
        self,
        rows: Callable[[], AbstractAsyncContextManager[Rows]],
        hasher: SecretHasher,
        for_services: SecretHasher,
        issuer: TokenIssuer,
        clock: Clock,
    ) -> None:
        self._rows, self._issuer, self._clock = rows, issuer, clock
        self._hasher, self._for_services = hasher, for_services

    async def token(self, credentials: ClientCredentials, *, scope: str | None, resource: str | None) -> IssuedToken:
        async with self._rows() as rows:
            account = await rows.accounts.by_client_id(credentials.client_id)
            audience = await _audience(account, resource, rows)
        # The transaction is over before the slow part: hashing must not hold a connection.
        await self._authenticate(credentials, account)
        assert account is not None
        if audience is None:
            raise InvalidTargetError("This account may not ask for that resource")
        return await self._issuer.issue(
            subject=f"sa:{account.client_id}",
            client_id=account.client_id,
            audience=audience,
            scopes=_narrowed(account.scopes, scope),
        )

    async def _authenticate(self, credentials: ClientCredentials, account: ServiceAccount | None) -> None:
        """One answer and one cost for an unknown account, a wrong or expired secret, a suspended account."""
        hashes = account.usable_hashes(self._clock()) if account else []
        is_service = account is not None and account.kind is AccountKind.SERVICE
        hasher = self._for_services if is_service else self._hasher
        if not await hasher.matches_any(credentials.secret, hashes):
            raise InvalidClientError(description="Unknown client or wrong secret", status_code=401)


async def _audience(account: ServiceAccount | None, resource: str | None, rows: Rows) -> str | None:
    """Whom the token will be for; None when the account may not ask for that (requirement I2)."""
    if account is None:
        return None
    if account.kind is AccountKind.CLIENT:
        return PUBLIC_AUDIENCE if resource is None else None
    if resource is None or resource == INTERNAL_AUDIENCE:
        return resource
    storage_id = element_of(resource)
    return resource if storage_id and await rows.elements.get(storage_id) else None


def _narrowed(granted: frozenset[Scope], asked: str | None) -> frozenset[Scope]:
    if asked is None or not asked.strip():
        return granted
    wanted = frozenset(asked.split())
    if not wanted <= granted:
        raise InvalidScopeError("The account was not granted every scope that was asked for")
    return frozenset(Scope(one) for one in wanted)

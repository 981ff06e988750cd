"""The token endpoint's meaning: client credentials in, a signed access token out (RFC 6749 §4.4, RFC 9068)."""

from __future__ import annotations

import uuid
from collections.abc import Callable
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Protocol

from artstore_core.scopes import INTERNAL_AUDIENCE, PUBLIC_AUDIENCE, AccountKind, Scope, element_of
from authlib.oauth2.rfc6749.errors import InvalidScopeError, OAuth2Error
from joserfc import jwt

from admin_service.audit.log import Actor, AuditRows
from admin_service.identity.accounts import AccountRows, ServiceAccount
from admin_service.identity.clients import ClientAuthentication, ClientCredentials, Proven, invalid_client
from admin_service.identity.clock import Clock
from admin_service.identity.keys import KeyRing
from admin_service.identity.standing import date_of_token

CONSOLE_CLIENT_ID = "artstore-console"
"""`client_id` of people's tokens (RFC 9068 §2.2 asks for one)."""


class InvalidTargetError(OAuth2Error):  # type: ignore[misc]
    """The `resource` is missing, unknown or not for this account (RFC 8707 §2)."""

    error = "invalid_target"


@dataclass(frozen=True, slots=True)
class Stamp:
    """What makes one token this one: `jti`, and `iat` in whole seconds since 1970."""

    token_id: str
    issued_at: int


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
    def audit(self) -> AuditRows: ...

    @property
    def elements(self) -> KnownElements: ...


class TokenIssuer:
    """Signs access tokens of the JWT profile: `at+jwt` with iss, sub, aud, client_id, scope, iat, exp, jti (and role)."""

    def __init__(self, keys: KeyRing, *, issuer: str, lifetime_seconds: int, clock: Clock) -> None:
        self._keys, self._issuer, self._lifetime, self._clock = keys, issuer, lifetime_seconds, clock

    def stamp(self, not_before: datetime | None) -> Stamp:
        """Taken while the principal's row is locked: whoever ends its tokens has either done so, and then `not_before`
        says so, or comes later, and then the token ends too.

        """
        return Stamp(str(uuid.uuid4()), date_of_token(self._clock(), not_before))

    async def issue(
        self,
        *,
        subject: str,
        client_id: str,
        audience: str,
        scopes: frozenset[Scope],
        role: str | None = None,
        stamp: Stamp | None = None,
        lifetime_seconds: int | None = None,
    ) -> IssuedToken:
        """`stamp` None: of a principal whose tokens nobody ends, admin itself. `lifetime_seconds` None: as long as all."""
        stamp, lifetime = stamp or self.stamp(None), lifetime_seconds or self._lifetime
        scope = " ".join(sorted(scopes))
        key = await self._keys.signer()
        header = {"alg": "RS256", "typ": "at+jwt", "kid": key.kid}
        claims: dict[str, Any] = {
            "iss": self._issuer,
            "sub": subject,
            "aud": audience,
            "client_id": client_id,
            "scope": scope,
            "iat": stamp.issued_at,
            "exp": stamp.issued_at + lifetime,
            "jti": stamp.token_id,
        }
        if role is not None:
            claims["role"] = role
        return IssuedToken(jwt.encode(header, claims, key, algorithms=["RS256"]), lifetime, scope)


class ClientCredentialsGrant:
    """Raises authlib's OAuth2Error subclasses, which know their own body and status."""

    def __init__(
        self,
        transactions: Callable[[], AbstractAsyncContextManager[Rows]],
        clients: ClientAuthentication,
        issuer: TokenIssuer,
        clock: Clock,
    ) -> None:
        self._transactions, self._clients, self._issuer, self._clock = transactions, clients, issuer, clock

    async def token(
        self, credentials: ClientCredentials, by: Actor, *, scope: str | None, resource: str | None
    ) -> IssuedToken:
        proven = await self._clients.prove(credentials, by)
        try:
            return await self._token(proven, scope=scope, resource=resource)
        except OAuth2Error as error:
            # Who it was is proven: whoever asks for what it was not granted is to be found in the log.
            await self._clients.deny(proven.account.client_id, by, reason=error.error)
            raise

    async def _token(self, proven: Proven, *, scope: str | None, resource: str | None) -> IssuedToken:
        async with self._transactions() as rows:
            account = await rows.accounts.get(proven.account.id, share=True)
            # Suspended, deleted or given another secret while the hash was reckoned.
            if account is None or proven.secret_hash not in account.usable_hashes(self._clock()):
                raise invalid_client()
            audience = await _audience(account, resource, rows)
            stamp = self._issuer.stamp(account.tokens_not_before)
        if audience is None:
            raise InvalidTargetError("This account may not ask for that resource")
        return await self._issuer.issue(
            stamp=stamp,
            subject=account.subject,
            client_id=account.client_id,
            audience=audience,
            scopes=_narrowed(account.scopes, scope),
        )


async def _audience(account: ServiceAccount, resource: str | None, rows: Rows) -> str | None:
    """Whom the token will be for; None when the account may not ask for that (requirement I2)."""
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

"""Asking about tokens and ending them: introspection and revocation (RFC 7662, RFC 7009)."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractAsyncContextManager
from datetime import UTC, datetime, timedelta
from typing import Any, Protocol

from artstore_audit import Outcome
from artstore_auth.verify import ALGORITHM, LEEWAY_SECONDS, MAX_TOKEN_BYTES, TOKEN_TYPE
from artstore_core.errors import Unauthorized
from artstore_core.scopes import Principal, Scope
from authlib.oauth2.rfc6749.errors import InvalidGrantError
from joserfc import jws, jwt
from joserfc.errors import JoseError

from admin_service.audit.log import Actor, AuditRows, Journal
from admin_service.identity.accounts import ServiceAccount
from admin_service.identity.clock import Clock
from admin_service.identity.keys import KeyRing
from admin_service.identity.sessions import SessionRows, Sessions, token_hash
from admin_service.identity.standing import TokenStanding
from admin_service.identity.tokens import CONSOLE_CLIENT_ID
from admin_service.identity.users import UserRows, UserStatus

INACTIVE = {"active": False}


class RevokedRows(Protocol):
    async def add(self, token_id: str, expires_at: datetime) -> bool:
        """False when it was revoked before."""
        ...

    async def remove_old(self, before: datetime, *, at_most: int = 20) -> None:
        """Takes out tokens that expired before that moment, more than one revocation adds."""
        ...


class Rows(Protocol):
    @property
    def audit(self) -> AuditRows: ...
    @property
    def revoked(self) -> RevokedRows: ...
    @property
    def sessions(self) -> SessionRows: ...
    @property
    def users(self) -> UserRows: ...


class TokenReader:
    """Reads our own access tokens, for whatever audience they are."""

    def __init__(self, keys: KeyRing, *, issuer: str, clock: Clock) -> None:
        self._keys, self._issuer, self._clock = keys, issuer, clock

    async def claims(self, token: str) -> dict[str, Any] | None:
        """None unless we signed it and no verifier takes it for expired yet."""
        if len(token) > MAX_TOKEN_BYTES:
            return None
        try:
            header = jws.extract_compact(token.encode("ascii")).headers()
            kid = header.get("kid")
            key = await self._keys.find(kid) if isinstance(kid, str) else None
            if key is None or header.get("typ") != TOKEN_TYPE:
                return None
            claims = jwt.decode(token, key, algorithms=[ALGORITHM]).claims
        except (JoseError, ValueError):
            return None
        is_good = claims.get("iss") == self._issuer and claims["exp"] + LEEWAY_SECONDS > self._clock().timestamp()
        return claims if is_good else None


class TokenInspection:
    """What an authenticated client may ask and do about a token."""

    def __init__(
        self,
        transactions: Callable[[], AbstractAsyncContextManager[Rows]],
        reader: TokenReader,
        standing: TokenStanding,
        sessions: Sessions,
        journal: Journal,
        clock: Clock,
    ) -> None:
        self._transactions, self._reader, self._standing = transactions, reader, standing
        self._sessions, self._journal, self._clock = sessions, journal, clock

    async def introspect(self, token: str) -> dict[str, Any]:
        """RFC 7662 §2.2. `{"active": false}` says no more than that, whatever the reason."""
        claims = await self._reader.claims(token)
        if claims is None:
            return await self._introspect_refresh_token(token)
        if claims["exp"] <= self._clock().timestamp():
            return INACTIVE
        try:
            await self._standing.check(principal_of(claims))
        except Unauthorized:
            return INACTIVE
        kind, _, name = claims["sub"].partition(":")
        username = {"username": name} if kind == "user" else {}
        return {"active": True, "token_type": "Bearer", **claims, **username}

    async def revoke(self, token: str, client: ServiceAccount, by: Actor) -> None:
        """RFC 7009 §2.1. A token that is none of ours, or ended already, is no error.

        Raises InvalidGrantError for somebody else's access token, unless the client has `admin:write`.
        """
        claims = await self._reader.claims(token)
        if claims is None:
            await self._sessions.end(token, by, because="revoked")
            return
        if claims["client_id"] != client.client_id and Scope.ADMIN_WRITE not in client.scopes:
            details = {"token_id": claims["jti"], "reason": "the token was issued to another client"}
            entry = self._journal.entry(by, "token.revocation_denied", Outcome.DENIED, claims["sub"], details)
            async with self._transactions() as rows:
                await rows.audit.add([entry])
            raise InvalidGrantError("The token was issued to another client")
        now = self._clock()
        ends = datetime.fromtimestamp(claims["exp"], UTC) + timedelta(seconds=LEEWAY_SECONDS)
        async with self._transactions() as rows:
            await rows.revoked.remove_old(now)
            if await rows.revoked.add(claims["jti"], ends):
                await self._journal.done(rows.audit, by, "token.revoked", claims["sub"], token_id=claims["jti"])

    async def _introspect_refresh_token(self, token: str) -> dict[str, Any]:
        async with self._transactions() as rows:
            found = await rows.sessions.find(token_hash(token))
            user = await rows.users.get(found[0].user_id) if found else None
        if found is None or user is None or user.status is not UserStatus.ACTIVE:
            return INACTIVE
        session, refresh_token = found
        if not session.is_open(self._clock()) or refresh_token.used_at is not None:
            return INACTIVE
        return {
            "active": True,
            "token_type": "refresh_token",
            "client_id": CONSOLE_CLIENT_ID,
            "username": user.username,
            "sub": user.subject,
            "iat": int(refresh_token.issued_at.timestamp()),
            "exp": int(session.expires_at.timestamp()),
        }


def principal_of(claims: dict[str, Any]) -> Principal:
    return Principal(
        subject=claims["sub"],
        client_id=claims["client_id"],
        scopes=frozenset(claims["scope"].split()),
        audience=claims["aud"],
        role=claims.get("role"),
        token_id=claims["jti"],
        issued_at=claims["iat"],
    )

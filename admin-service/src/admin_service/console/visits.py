"""Who looks at the console: a cookie that stands for a session of `identity.sessions`.

The cookie is that session's refresh token, never exchanged for another one: whatever ends the session (signing out, another
password, suspension, the attempt to exchange it) ends the visit with it. A visit that is idle for too long is over, too.
"""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import Callable, MutableMapping
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Final, Protocol

from artstore_core.scopes import PUBLIC_AUDIENCE, Scope
from cachetools import TTLCache

from admin_service.audit.log import Actor
from admin_service.identity.clock import Clock
from admin_service.identity.sessions import SessionRows, Sessions, token_hash
from admin_service.identity.tokens import CONSOLE_CLIENT_ID, IssuedToken, TokenIssuer
from admin_service.identity.users import AdminUser, UserRows, UserStatus

SEEN_EVERY: Final = timedelta(minutes=1)
"""How exactly it is kept when a visitor was last seen: no page shall cost a write."""
EXACTLY: Final = 10
"""And to this part of the idle time, where that is short: who is there must not be taken for gone."""
TOKENS_KEPT: Final = 1024
TOKEN_SECONDS: Final = 60.0
UPLOAD_SECONDS: Final = 300


class Rows(Protocol):
    @property
    def sessions(self) -> SessionRows: ...
    @property
    def users(self) -> UserRows: ...


@dataclass(frozen=True, slots=True)
class Visitor:
    """`token` is good for the API, with the user's own scopes; `csrf` has to come back with every form.

    `token_id` is that of all tokens of this visit: they end with its session.
    """

    user: AdminUser
    token: str
    token_id: str
    csrf: str

    def may(self, scope: Scope) -> bool:
        """For what a page offers. What is done is decided by the API."""
        return scope in self.user.scopes


class Visits:
    def __init__(
        self,
        transactions: Callable[[], AbstractAsyncContextManager[Rows]],
        sessions: Sessions,
        issuer: TokenIssuer,
        clock: Clock,
        *,
        idle: timedelta,
    ) -> None:
        self._transactions, self._sessions, self._issuer = transactions, sessions, issuer
        self._clock, self._idle, self._seen_every = clock, idle, min(SEEN_EVERY, idle / EXACTLY)
        self._tokens: MutableMapping[tuple[object, ...], str] = TTLCache(
            TOKENS_KEPT, TOKEN_SECONDS, timer=lambda: clock().timestamp()
        )

    async def begin(self, username: str, password: str, by: Actor) -> str:
        """The cookie of a new visit. Raises Unauthorized, RateLimited, AdminUnavailable."""
        return (await self._sessions.login(username, password, by, for_console=True)).refresh_token

    async def end(self, cookie: str, by: Actor) -> None:
        await self._sessions.end(cookie, by)

    async def visitor(self, cookie: str, *, watching: bool = False) -> Visitor | None:
        """None when the cookie counts no more. `watching`: it is a page that looks by itself, and nobody is seen."""
        key, now = token_hash(cookie), self._clock()
        async with self._transactions() as rows:
            found = await self._found(rows, key, now, watching=watching)
        if found is None:
            return None
        user, token_id = found
        return Visitor(user, await self._token(user, token_id), token_id, csrf_token(cookie))

    async def token_anew(self, visitor: Visitor) -> str:
        """In place of one that was refused: the key that signed it may have been withdrawn since."""
        user = visitor.user
        self._tokens.pop((visitor.token_id, user.scopes, user.tokens_not_before), None)
        return await self._token(user, visitor.token_id)

    async def upload_token(self, visitor: Visitor) -> IssuedToken:
        """Five minutes of `files:write` and nothing else, for the page itself; a reader's has no scope at all."""
        scopes = visitor.user.scopes & {Scope.FILES_WRITE}
        return await self._issue(visitor.user, visitor.token_id, scopes, UPLOAD_SECONDS)

    async def _found(self, rows: Rows, key: bytes, now: datetime, *, watching: bool) -> tuple[AdminUser, str] | None:
        found = await rows.sessions.find(key)
        if found is None:
            return None
        session, token = found
        seen = token.seen_at or token.issued_at
        if token.used_at is not None or not session.is_open(now) or seen + self._idle <= now:
            return None
        user = await rows.users.get(session.user_id)
        if user is None or user.status is not UserStatus.ACTIVE:
            return None
        if seen + self._seen_every <= now and not watching:
            await rows.sessions.seen(key, now)
        return user, token.access_token_id

    async def _token(self, user: AdminUser, token_id: str) -> str:
        # Of other scopes, or issued before the user's tokens were ended: another one.
        known_as = (token_id, user.scopes, user.tokens_not_before)
        token = self._tokens.get(known_as)
        if token is None:
            token = (await self._issue(user, token_id, user.scopes, None)).access_token
            self._tokens[known_as] = token
        return token

    async def _issue(
        self, user: AdminUser, token_id: str, scopes: frozenset[Scope], seconds: int | None
    ) -> IssuedToken:
        return await self._issuer.issue(
            stamp=replace(self._issuer.stamp(user.tokens_not_before), token_id=token_id),
            subject=user.subject,
            client_id=CONSOLE_CLIENT_ID,
            audience=PUBLIC_AUDIENCE,
            scopes=scopes,
            role=user.role.value,
            lifetime_seconds=seconds,
        )


def csrf_token(secret: str) -> str:
    """What the forms of whoever holds the cookie `secret` carry. Says nothing of the cookie itself."""
    return hmac.new(secret.encode(), b"artstore console form", hashlib.sha256).hexdigest()


def csrf_matches(secret: str, given: str) -> bool:
    return hmac.compare_digest(csrf_token(secret).encode(), given.encode(errors="replace"))

"""Sessions of people: sign-in, refresh with rotation, the end (requirements I5, I7).

A session begins with a password and lives for a set time from then on. It has a row of refresh tokens, each good for one
use: a used one that comes again was copied by somebody, and nobody can say by whom, so the whole session ends (RFC 9700
§4.14.2). Every refresh token knows the access token it was given out with; with the session, admin refuses those too.
Rows are locked in the order user, session, refresh token.
"""

from __future__ import annotations

import hashlib
import secrets
from collections.abc import Callable
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Protocol
from uuid import UUID

from artstore_audit import Outcome
from artstore_auth.challenge import REALM
from artstore_core.errors import Unauthorized, ValidationFailed
from artstore_core.ids import new_id
from artstore_core.scopes import PUBLIC_AUDIENCE

from admin_service.audit.log import Actor, AuditRows, Journal
from admin_service.identity.clock import Clock
from admin_service.identity.lockout import FailureRows
from admin_service.identity.passwords import check_password, normalised
from admin_service.identity.secrets import SecretHasher, Slots
from admin_service.identity.sign_in import PasswordCheck
from admin_service.identity.standing import end_of_tokens
from admin_service.identity.tokens import CONSOLE_CLIENT_ID, Stamp, TokenIssuer
from admin_service.identity.users import AdminUser, UserRows, UserStatus

REFRESH_TOKEN_BYTES = 32
LOOKUPS_AT_ONCE = 2
"""Anybody may send any text for a refresh token: with those who sign in, fewer than the connections to the database."""
LOOKUPS_AT_MOST = 256
KEPT_AFTER = timedelta(hours=2)
"""How long an ended session is remembered: longer than the last access token that was given out for it lives."""


@dataclass(frozen=True, slots=True)
class Session:
    id: UUID
    user_id: UUID
    created_at: datetime
    expires_at: datetime
    revoked_at: datetime | None = None
    revoked_because: str | None = None

    def is_open(self, now: datetime) -> bool:
        return self.revoked_at is None and self.expires_at > now


@dataclass(frozen=True, slots=True)
class RefreshToken:
    """Kept as SHA-256: 256 random bits need no slow hash."""

    token_hash: bytes
    session_id: UUID
    access_token_id: str
    issued_at: datetime
    used_at: datetime | None = None
    seen_at: datetime | None = None
    """When the console last had it as a cookie, to the minute; None: it is none of the console's."""


class SessionRows(Protocol):
    """Sessions and their refresh tokens, within one transaction."""

    async def add(self, session: Session) -> None: ...
    async def add_token(self, token: RefreshToken) -> None: ...

    async def find(self, token_hash: bytes) -> tuple[Session, RefreshToken] | None:
        """As they are now; nothing is locked."""
        ...

    async def lock(self, session_id: UUID) -> Session | None: ...

    async def use(self, token_hash: bytes, now: datetime) -> bool:
        """False when it was used before. Of two at once, one hears True."""
        ...

    async def seen(self, token_hash: bytes, now: datetime) -> None: ...

    async def revoke(self, session_id: UUID, now: datetime, because: str) -> bool:
        """True when it was open until now."""
        ...

    async def revoke_all(self, user_id: UUID, now: datetime, because: str, *, but_of_token: str | None = None) -> int:
        """Ends all of the user's, save the one that the access token of that id belongs to; how many."""
        ...

    async def remove_old(self, before: datetime, *, at_most: int = 20) -> None:
        """Takes out sessions that ended before that moment, with their tokens."""
        ...


class Rows(Protocol):
    @property
    def audit(self) -> AuditRows: ...
    @property
    def failures(self) -> FailureRows: ...
    @property
    def sessions(self) -> SessionRows: ...
    @property
    def users(self) -> UserRows: ...


@dataclass(frozen=True, slots=True)
class SignedIn:
    """What a person's program gets. `expires_in`: seconds the access token lives."""

    access_token: str
    refresh_token: str
    expires_in: int
    password_change_required: bool
    username: str


@dataclass(frozen=True, slots=True)
class _Granted:
    """Noted within the transaction; signed after it, for that may need the database again."""

    user: AdminUser
    stamp: Stamp
    refresh_token: str


class Sessions:
    """Each use in transactions of its own. Raises Unauthorized, RateLimited, AdminUnavailable."""

    def __init__(
        self,
        transactions: Callable[[], AbstractAsyncContextManager[Rows]],
        passwords: PasswordCheck,
        hasher: SecretHasher,
        issuer: TokenIssuer,
        journal: Journal,
        clock: Clock,
        *,
        lifetime_seconds: int,
    ) -> None:
        self._transactions, self._passwords, self._hasher = transactions, passwords, hasher
        self._issuer, self._journal, self._clock = issuer, journal, clock
        self._lifetime = timedelta(seconds=lifetime_seconds)
        self._lookups = Slots(LOOKUPS_AT_ONCE, LOOKUPS_AT_MOST)

    async def login(self, username: str, password: str, by: Actor, *, for_console: bool = False) -> SignedIn:
        """`for_console`: the refresh token is a cookie, and `refresh` takes it from nobody."""
        async with self._passwords.slot():
            checked = await self._passwords.user(username, password, by)
            async with self._transactions() as rows:
                user = await self._passwords.succeeded(rows, checked)
                now = self._clock()
                await rows.users.save(replace(user, last_login_at=now))
                session = Session(new_id(), user.id, created_at=now, expires_at=now + self._lifetime)
                await rows.sessions.add(session)
                granted = await self._grant(rows, user, session, now, seen_at=now if for_console else None)
                await rows.sessions.remove_old(now - KEPT_AFTER)
                await self._journal.done(rows.audit, _as(user, by), "sign_in.done", user.username)
        return await self._signed(granted)

    async def refresh(self, refresh_token: str, by: Actor) -> SignedIn:
        """A new pair for an old refresh token, once."""
        async with self._lookups.taken(), self._transactions() as rows:
            granted = await self._rotate(rows, token_hash(refresh_token), by)
        # Only now: the end of a session whose token was used twice has to be kept, not rolled back.
        if granted is None:
            raise Unauthorized("The refresh token counts no more", headers={"WWW-Authenticate": REALM})
        return await self._signed(granted)

    async def end(self, refresh_token: str, by: Actor, *, because: str = "logout") -> bool:
        """Ends the session that the token, used or not, belongs to. False when there was none to end."""
        async with self._lookups.taken(), self._transactions() as rows:
            found = await self._locked(rows, token_hash(refresh_token))
            if found is None:
                return False
            user, session, _ = found
            ended = await rows.sessions.revoke(session.id, self._clock(), because)
            if ended:
                who = by if by.subject.startswith("sa:") else _as(user, by)
                await self._journal.done(rows.audit, who, "session.ended", user.username, because=because)
        return ended

    async def change_password(self, username: str, token_id: str | None, current: str, new: str, by: Actor) -> None:
        """By the user. Ends the user's other sessions, and every access token that was given out before.

        A wrong `current` counts as a failed sign-in. Raises ValidationFailed for an unfit `new`.
        """
        password = check_password(new, username, field="new_password")
        if password == normalised(current):
            raise ValidationFailed(
                "The password is not fit for use", details={"new_password": "must be another than the current one"}
            )
        async with self._passwords.slot():
            checked = await self._passwords.user(username, current, by)
            password_hash = await self._hasher.hash(password)
            async with self._transactions() as rows:
                user = await self._passwords.succeeded(rows, checked)
                now = self._clock()
                await rows.users.save(
                    replace(
                        user,
                        password_hash=password_hash,
                        must_change_password=False,
                        tokens_not_before=end_of_tokens(now, user.tokens_not_before),
                        updated_at=now,
                    )
                )
                await rows.sessions.revoke_all(user.id, now, "password changed", but_of_token=token_id)
                await self._journal.done(rows.audit, by, "admin_user.password_changed", user.username)

    async def _rotate(self, rows: Rows, token: bytes, by: Actor) -> _Granted | None:
        found = await self._locked(rows, token)
        if found is None:
            return None
        user, session, refresh_token = found
        now = self._clock()
        copied = await self._copied(rows, refresh_token, now)
        if copied is not None:
            if await rows.sessions.revoke(session.id, now, copied):
                reason = {"reason": f"{copied}; the session has ended"}
                entry = self._journal.entry(by, "session.refresh_denied", Outcome.DENIED, user.username, reason)
                await rows.audit.add([entry])
            return None
        if not session.is_open(now) or user.status is not UserStatus.ACTIVE:
            return None
        return await self._grant(rows, user, session, now)

    async def _copied(self, rows: Rows, token: RefreshToken, now: datetime) -> str | None:
        """Uses the token. What gives it away as somebody's copy, if anything does."""
        if token.seen_at is not None:
            # The console ends a visit that is left alone. Its cookie must be worth no more elsewhere.
            return "a cookie of the console was used as a refresh token"
        return None if await rows.sessions.use(token.token_hash, now) else "a refresh token was used twice"

    async def _locked(self, rows: Rows, token: bytes) -> tuple[AdminUser, Session, RefreshToken] | None:
        """The refresh token as it was before the locks."""
        found = await rows.sessions.find(token)
        if found is None:
            return None
        user = await rows.users.get(found[0].user_id, lock=True)
        session = await rows.sessions.lock(found[0].id)
        return (user, session, found[1]) if user is not None and session is not None else None

    async def _grant(
        self, rows: Rows, user: AdminUser, session: Session, now: datetime, *, seen_at: datetime | None = None
    ) -> _Granted:
        """The user's row is locked: whoever suspends it has done so before, or ends this token too."""
        stamp, token = self._issuer.stamp(user.tokens_not_before), secrets.token_urlsafe(REFRESH_TOKEN_BYTES)
        kept = RefreshToken(token_hash(token), session.id, stamp.token_id, issued_at=now, seen_at=seen_at)
        await rows.sessions.add_token(kept)
        return _Granted(user, stamp, token)

    async def _signed(self, granted: _Granted) -> SignedIn:
        user = granted.user
        issued = await self._issuer.issue(
            stamp=granted.stamp,
            subject=user.subject,
            client_id=CONSOLE_CLIENT_ID,
            audience=PUBLIC_AUDIENCE,
            scopes=user.scopes,
            role=user.role.value,
        )
        return SignedIn(
            issued.access_token, granted.refresh_token, issued.expires_in, user.must_change_password, user.username
        )


def token_hash(token: str) -> bytes:
    return hashlib.sha256(token.encode(errors="surrogatepass")).digest()


def _as(user: AdminUser, by: Actor) -> Actor:
    return replace(by, subject=user.subject)

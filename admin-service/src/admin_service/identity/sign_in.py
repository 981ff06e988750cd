"""One counted look at a person's password: at sign-in, and when the password is changed (requirement I6)."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from typing import Protocol

from artstore_audit import Outcome
from artstore_auth.challenge import REALM
from artstore_core.errors import RateLimited, Unauthorized

from admin_service.audit.log import Actor, AuditRows, Journal
from admin_service.identity.clock import Clock
from admin_service.identity.lockout import FailureRows, LockoutPolicy, Turn, name_hash, shown_name
from admin_service.identity.passwords import normalised
from admin_service.identity.secrets import SecretHasher, Slots
from admin_service.identity.users import AdminUser, UserRows, UserStatus

AT_ONCE = 4
"""Fewer than the connections to the database: a flood of guesses must leave some to everybody else."""


class Rows(Protocol):
    @property
    def audit(self) -> AuditRows: ...
    @property
    def failures(self) -> FailureRows: ...
    @property
    def users(self) -> UserRows: ...


def wrong_password() -> Unauthorized:
    """The same for an unknown user, a wrong password, a locked name, a suspended user."""
    return Unauthorized("The user name or the password is wrong", headers={"WWW-Authenticate": REALM})


class PasswordCheck:
    """Counts the attempt, then looks. The same statements and one hash, whatever there is to find."""

    def __init__(
        self,
        transactions: Callable[[], AbstractAsyncContextManager[Rows]],
        hasher: SecretHasher,
        policy: LockoutPolicy,
        journal: Journal,
        clock: Clock,
    ) -> None:
        self._transactions, self._hasher, self._policy = transactions, hasher, policy
        self._journal, self._clock = journal, clock
        self._slots = Slots(AT_ONCE)

    @asynccontextmanager
    async def slot(self) -> AsyncIterator[None]:
        """What every use of this class happens in. Raises RateLimited when too many sign in at once."""
        async with self._slots.taken():
            yield

    async def user(self, username: str, password: str, by: Actor) -> AdminUser:
        """The active user whose password this is. Raises `wrong_password()`, RateLimited.

        The success is not yet noted: `succeeded` does that, in the transaction of what follows from it.
        """
        name, now = name_hash(username), self._clock()
        async with self._transactions() as rows:
            turn = await rows.failures.count(name, self._policy, now)
            user = await rows.users.by_name(username)
            if turn is Turn.BUSY:
                await self._deny(rows, username, user, by, "too many attempts at once")
        if turn is Turn.BUSY:
            raise RateLimited("Too many attempts at once for this user name", headers={"Retry-After": "1"})
        usable = user if turn is Turn.LOOK and user is not None and user.status is UserStatus.ACTIVE else None
        if await self._matches(name, password, usable) and usable is not None:
            return usable
        reason = "locked" if turn is Turn.LOCKED else "unknown user" if user is None else "wrong password"
        async with self._transactions() as rows:
            if await rows.failures.failed(name, self._policy, self._clock()):
                reason = "wrong password; locked from now on"
            await rows.failures.remove_old(self._policy, self._clock())
            await self._deny(rows, username, user, by, reason)
        raise wrong_password()

    async def succeeded(self, rows: Rows, checked: AdminUser) -> AdminUser:
        """The user as it stands, its row locked; its failures are forgotten.

        Raises `wrong_password()` when the user was suspended, removed or given another password since the look.
        """
        user = await rows.users.get(checked.id, lock=True)
        if user is None or user.status is not UserStatus.ACTIVE or user.password_hash != checked.password_hash:
            raise wrong_password()
        await rows.failures.clear(name_hash(user.username))
        return user

    async def _matches(self, name: bytes, password: str, user: AdminUser | None) -> bool:
        try:
            return await self._hasher.matches_any(normalised(password), [user.password_hash] if user else [])
        except RateLimited:
            async with self._transactions() as rows:
                await rows.failures.give_back(name)
            raise

    async def _deny(self, rows: Rows, username: str, user: AdminUser | None, by: Actor, reason: str) -> None:
        target = user.username if user is not None else shown_name(username)
        await rows.audit.add([self._journal.entry(by, "sign_in.denied", Outcome.DENIED, target, {"reason": reason})])

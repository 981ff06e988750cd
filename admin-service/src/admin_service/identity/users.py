"""People who run ArtStore: made, changed, removed by their like (requirements I5, I7)."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass, replace
from datetime import datetime
from enum import StrEnum
from typing import Protocol
from uuid import UUID

from artstore_core.errors import Conflict, NotFound
from artstore_core.ids import new_id
from artstore_core.scopes import Scope

from admin_service.audit.changes import differences
from admin_service.audit.log import Actor, AuditRows, Journal
from admin_service.identity.clock import Clock
from admin_service.identity.lockout import FailureRows, name_hash
from admin_service.identity.passwords import check_password
from admin_service.identity.quota import UNCHANGED, Unchanged
from admin_service.identity.secrets import SecretHasher
from admin_service.identity.standing import before_its_first_token, end_of_tokens


class Role(StrEnum):
    ADMIN = "admin"
    READONLY = "readonly"


SCOPES = {
    Role.ADMIN: frozenset(Scope),
    Role.READONLY: frozenset({Scope.FILES_READ, Scope.STORAGE_READ, Scope.ADMIN_READ}),
}


class UserStatus(StrEnum):
    ACTIVE = "active"
    SUSPENDED = "suspended"


@dataclass(frozen=True, slots=True)
class AdminUser:
    """Tokens issued before `tokens_not_before` count no more. A quota of None is no bound."""

    id: UUID
    username: str
    role: Role
    password_hash: str
    created_at: datetime
    updated_at: datetime
    status: UserStatus = UserStatus.ACTIVE
    must_change_password: bool = False
    tokens_not_before: datetime | None = None
    last_login_at: datetime | None = None
    quota_bytes: int | None = None
    quota_files: int | None = None

    @property
    def subject(self) -> str:
        return f"user:{self.username}"

    @property
    def scopes(self) -> frozenset[Scope]:
        """None at all while the password has to be changed."""
        return frozenset() if self.must_change_password else SCOPES[self.role]

    @property
    def is_active_admin(self) -> bool:
        return self.role is Role.ADMIN and self.status is UserStatus.ACTIVE


class UserRows(Protocol):
    """The table of users, within one transaction."""

    async def add_first(self, username: str, password_hash: str, now: datetime) -> bool:
        """Adds an admin while there is no user at all; True when it was added. Safe between replicas."""
        ...

    async def one_at_a_time(self) -> None:
        """Holds off every other transaction that asks the same, until this one ends. Ask before locking any row."""
        ...

    async def add(self, user: AdminUser) -> bool:
        """False when somebody has that name, or one that people would take for it. Within `one_at_a_time`."""
        ...

    async def save(self, user: AdminUser) -> None: ...
    async def delete(self, user_id: UUID) -> None: ...
    async def get(self, user_id: UUID, *, lock: bool = False) -> AdminUser | None: ...
    async def by_name(self, username: str, *, lock: bool = False) -> AdminUser | None: ...
    async def page(self, *, limit: int, offset: int) -> tuple[Sequence[AdminUser], int]: ...
    async def active_admins(self) -> int: ...


class UserSessions(Protocol):
    """What becomes of a user's sessions, within the same transaction."""

    async def revoke_all(
        self, user_id: UUID, now: datetime, because: str, *, but_of_token: str | None = None
    ) -> int: ...


class Rows(Protocol):
    @property
    def audit(self) -> AuditRows: ...
    @property
    def failures(self) -> FailureRows: ...
    @property
    def sessions(self) -> UserSessions: ...
    @property
    def users(self) -> UserRows: ...


Transactions = Callable[[], AbstractAsyncContextManager[Rows]]


@dataclass(frozen=True, slots=True)
class NewUser:
    username: str
    password: str
    role: Role
    quota_bytes: int | None = None
    quota_files: int | None = None


@dataclass(frozen=True, slots=True)
class UserChange:
    """None leaves role and status as they are."""

    role: Role | None = None
    status: UserStatus | None = None
    quota_bytes: int | Unchanged | None = UNCHANGED
    quota_files: int | Unchanged | None = UNCHANGED


class AdminUsers:
    """Create, change, remove; each in a transaction of its own. There is always an admin who can sign in."""

    def __init__(self, transactions: Transactions, hasher: SecretHasher, journal: Journal, clock: Clock) -> None:
        self._transactions, self._hasher, self._journal, self._clock = transactions, hasher, journal, clock

    async def create(self, new: NewUser, by: Actor) -> AdminUser:
        """Raises ValidationFailed for an unfit password, Conflict when the name is taken."""
        password_hash = await self._hasher.hash(check_password(new.password, new.username))
        now = self._clock()
        user = AdminUser(
            id=new_id(),
            username=new.username,
            role=new.role,
            password_hash=password_hash,
            created_at=now,
            updated_at=now,
            # Whoever had this name before is somebody else, whose tokens must not count for this one.
            tokens_not_before=before_its_first_token(now),
            quota_bytes=new.quota_bytes,
            quota_files=new.quota_files,
        )
        async with self._transactions() as rows:
            await rows.users.one_at_a_time()
            if not await rows.users.add(user):
                raise Conflict("There is such a user already", details={"username": "is taken"})
            await self._journal.done(rows.audit, by, "admin_user.created", user.username, role=user.role.value)
        return user

    async def change(self, user_id: UUID, change: UserChange, by: Actor) -> AdminUser:
        """Raises NotFound; Conflict when no active admin would be left."""
        async with self._transactions() as rows:
            await rows.users.one_at_a_time()
            user, now = await _locked(rows.users, user_id), self._clock()
            changed = _changed(user, change, now)
            await _keep_an_admin(rows.users, user, changed)
            await rows.users.save(changed)
            if changed.status is UserStatus.SUSPENDED and user.status is UserStatus.ACTIVE:
                await rows.sessions.revoke_all(user_id, now, "suspended")
            await self._journal.done(
                rows.audit, by, "admin_user.changed", user.username, changes=differences(user, changed)
            )
        return changed

    async def delete(self, user_id: UUID, by: Actor) -> None:
        """Raises NotFound; Conflict when no active admin would be left."""
        async with self._transactions() as rows:
            await rows.users.one_at_a_time()
            user = await _locked(rows.users, user_id)
            await _keep_an_admin(rows.users, user, None)
            await rows.users.delete(user_id)
            await rows.failures.clear(name_hash(user.username))
            await self._journal.done(rows.audit, by, "admin_user.deleted", user.username)

    async def reset_password(self, user_id: UUID, password: str, by: Actor) -> None:
        """Ends all sessions, lifts a lock, and has the user choose another password at the next sign-in."""
        async with self._transactions() as rows:
            username = (await _known(rows.users, user_id)).username
        password_hash = await self._hasher.hash(check_password(password, username))
        async with self._transactions() as rows:
            user, now = await _locked(rows.users, user_id), self._clock()
            await rows.users.save(
                replace(
                    user,
                    password_hash=password_hash,
                    must_change_password=True,
                    tokens_not_before=end_of_tokens(now, user.tokens_not_before),
                    updated_at=now,
                )
            )
            await rows.sessions.revoke_all(user_id, now, "password reset")
            await rows.failures.clear(name_hash(user.username))
            await self._journal.done(rows.audit, by, "admin_user.password_reset", user.username)

    async def unlock(self, user_id: UUID, by: Actor) -> None:
        async with self._transactions() as rows:
            user = await _known(rows.users, user_id)
            await rows.failures.clear(name_hash(user.username))
            await self._journal.done(rows.audit, by, "admin_user.unlocked", user.username)

    async def id_of(self, username: str) -> UUID:
        """Raises NotFound."""
        async with self._transactions() as rows:
            user = await rows.users.by_name(username)
        if user is None:
            raise NotFound("There is no such user")
        return user.id


def _changed(user: AdminUser, change: UserChange, now: datetime) -> AdminUser:
    role, status = change.role or user.role, change.status or user.status
    suspended = status is UserStatus.SUSPENDED and user.status is UserStatus.ACTIVE
    demoted = not SCOPES[user.role] <= SCOPES[role]
    before = user.tokens_not_before
    return replace(
        user,
        role=role,
        status=status,
        quota_bytes=user.quota_bytes if change.quota_bytes is UNCHANGED else change.quota_bytes,
        quota_files=user.quota_files if change.quota_files is UNCHANGED else change.quota_files,
        tokens_not_before=end_of_tokens(now, before) if suspended or demoted else before,
        updated_at=now,
    )


async def _keep_an_admin(rows: UserRows, before: AdminUser, after: AdminUser | None) -> None:
    """Within `one_at_a_time`: of two who take each other's rights away at once, the second is refused."""
    if before.is_active_admin and not (after and after.is_active_admin) and await rows.active_admins() <= 1:
        raise Conflict("The last active admin cannot be removed, demoted or suspended")


async def _known(rows: UserRows, user_id: UUID, *, lock: bool = False) -> AdminUser:
    user = await rows.get(user_id, lock=lock)
    if user is None:
        raise NotFound("There is no such user")
    return user


async def _locked(rows: UserRows, user_id: UUID) -> AdminUser:
    return await _known(rows, user_id, lock=True)

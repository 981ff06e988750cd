"""Service accounts: programs that use ArtStore, and the services it is made of (requirements I1–I4)."""

from __future__ import annotations

import re
import secrets
from collections.abc import Callable, Sequence
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Protocol
from uuid import UUID

from artstore_core.errors import NotFound
from artstore_core.ids import new_id
from artstore_core.scopes import AccountKind, Scope

from admin_service.audit.changes import differences
from admin_service.audit.log import Actor, AuditRows, Journal
from admin_service.identity.clock import Clock
from admin_service.identity.quota import UNCHANGED, Unchanged
from admin_service.identity.secrets import SecretHasher, new_secret
from admin_service.identity.standing import end_of_tokens

DEFAULT_EXPIRY_DAYS = 90


class AccountStatus(StrEnum):
    ACTIVE = "active"
    SUSPENDED = "suspended"


@dataclass(frozen=True, slots=True)
class ServiceAccount:
    """`previous_secret_*` is the one before the last rotation, while its overlap lasts.

    Tokens issued before `tokens_not_before` count no more. A quota of None is no bound.
    """

    id: UUID
    client_id: str
    name: str
    kind: AccountKind
    scopes: frozenset[Scope]
    status: AccountStatus
    secret_hash: str
    secret_expires_at: datetime | None
    previous_secret_hash: str | None
    previous_secret_expires_at: datetime | None
    created_at: datetime
    updated_at: datetime
    tokens_not_before: datetime | None = None
    quota_bytes: int | None = None
    quota_files: int | None = None

    @property
    def subject(self) -> str:
        return f"sa:{self.client_id}"

    def usable_hashes(self, now: datetime) -> list[str]:
        """Hashes of the secrets that would be accepted now; none for a suspended account."""
        if self.status is not AccountStatus.ACTIVE:
            return []
        hashes = []
        if self.secret_expires_at is None or self.secret_expires_at > now:
            hashes.append(self.secret_hash)
        overlap_ends = self.previous_secret_expires_at
        if self.previous_secret_hash and overlap_ends is not None and overlap_ends > now:
            hashes.append(self.previous_secret_hash)
        return hashes


class AccountRows(Protocol):
    """The table of accounts, within one transaction."""

    async def add(self, account: ServiceAccount) -> None: ...
    async def save(self, account: ServiceAccount) -> None: ...
    async def delete(self, account_id: UUID) -> bool: ...

    async def get(self, account_id: UUID, *, lock: bool = False, share: bool = False) -> ServiceAccount | None:
        """`share`: it cannot be changed until the transaction ends, but others may read it so as well."""
        ...

    async def by_client_id(self, client_id: str) -> ServiceAccount | None: ...

    async def page(
        self,
        *,
        limit: int,
        offset: int,
        kind: AccountKind | None = None,
        status: AccountStatus | None = None,
        secret_expires_until: datetime | None = None,
    ) -> tuple[Sequence[ServiceAccount], int]: ...

    async def count_expiring(self, now: datetime, until: datetime) -> tuple[int, int]:
        """Active accounts whose secret (expires between the two, has expired by `now`)."""
        ...


class Rows(Protocol):
    @property
    def accounts(self) -> AccountRows: ...
    @property
    def audit(self) -> AuditRows: ...


@dataclass(frozen=True, slots=True)
class NewAccount:
    name: str
    kind: AccountKind
    scopes: frozenset[Scope]
    expires_in_days: int = DEFAULT_EXPIRY_DAYS
    """0: the secret never expires."""
    quota_bytes: int | None = None
    quota_files: int | None = None


@dataclass(frozen=True, slots=True)
class AccountChange:
    """None leaves a field as it is, save the quotas, which it clears."""

    name: str | None = None
    scopes: frozenset[Scope] | None = None
    status: AccountStatus | None = None
    quota_bytes: int | Unchanged | None = UNCHANGED
    quota_files: int | Unchanged | None = UNCHANGED


class ServiceAccounts:
    """Create, change, rotate, delete; each in a transaction of its own.

    A new secret is returned once, beside the account, and kept only hashed. Hashes are reckoned before the transaction.
    """

    def __init__(
        self,
        transactions: Callable[[], AbstractAsyncContextManager[Rows]],
        hasher: SecretHasher,
        journal: Journal,
        clock: Clock,
    ) -> None:
        self._transactions, self._hasher, self._journal, self._clock = transactions, hasher, journal, clock

    async def create(self, new: NewAccount, by: Actor) -> tuple[ServiceAccount, str]:
        secret = new_secret()
        secret_hash = await self._hasher.hash(secret)
        now = self._clock()
        account = ServiceAccount(
            id=new_id(),
            client_id=new_client_id(new.name),
            name=new.name,
            kind=new.kind,
            scopes=new.scopes,
            status=AccountStatus.ACTIVE,
            secret_hash=secret_hash,
            secret_expires_at=_expiry(now, new.expires_in_days),
            previous_secret_hash=None,
            previous_secret_expires_at=None,
            created_at=now,
            updated_at=now,
            quota_bytes=new.quota_bytes,
            quota_files=new.quota_files,
        )
        async with self._transactions() as rows:
            await rows.accounts.add(account)
            await self._journal.done(
                rows.audit,
                by,
                "service_account.created",
                account.client_id,
                kind=account.kind.value,
                scopes=sorted(account.scopes),
            )
        return account, secret

    async def change(self, account_id: UUID, change: AccountChange, by: Actor) -> ServiceAccount:
        """Suspending, and taking a scope away, ends the tokens that are out."""
        async with self._transactions() as rows:
            account = await _known(rows.accounts, account_id, lock=True)
            changed = _changed(account, change, self._clock())
            await rows.accounts.save(changed)
            await self._journal.done(
                rows.audit, by, "service_account.changed", account.client_id, changes=differences(account, changed)
            )
        return changed

    async def rotate_secret(
        self, account_id: UUID, by: Actor, *, overlap_seconds: int, expires_in_days: int
    ) -> tuple[ServiceAccount, str]:
        """The old secret works for `overlap_seconds` more, but never past its own expiry.

        Without an overlap it counts as leaked: the tokens that were got by it end as well.
        """
        secret = new_secret()
        secret_hash = await self._hasher.hash(secret)
        async with self._transactions() as rows:
            account = await _known(rows.accounts, account_id, lock=True)
            now, before = self._clock(), account.tokens_not_before
            overlap_ends = now + timedelta(seconds=overlap_seconds)
            if account.secret_expires_at is not None:
                overlap_ends = min(overlap_ends, account.secret_expires_at)
            rotated = replace(
                account,
                secret_hash=secret_hash,
                secret_expires_at=_expiry(now, expires_in_days),
                previous_secret_hash=account.secret_hash if overlap_seconds else None,
                previous_secret_expires_at=overlap_ends if overlap_seconds else None,
                tokens_not_before=before if overlap_seconds else end_of_tokens(now, before),
                updated_at=now,
            )
            await rows.accounts.save(rotated)
            await self._journal.done(
                rows.audit,
                by,
                "service_account.secret_rotated",
                account.client_id,
                overlap_seconds=overlap_seconds,
                expires_in_days=expires_in_days,
            )
        return rotated, secret

    async def delete(self, account_id: UUID, by: Actor) -> None:
        async with self._transactions() as rows:
            account = await _known(rows.accounts, account_id, lock=True)
            await rows.accounts.delete(account_id)
            await self._journal.done(rows.audit, by, "service_account.deleted", account.client_id)


def _changed(account: ServiceAccount, change: AccountChange, now: datetime) -> ServiceAccount:
    scopes = account.scopes if change.scopes is None else change.scopes
    status = change.status or account.status
    suspended = status is AccountStatus.SUSPENDED and account.status is AccountStatus.ACTIVE
    before = account.tokens_not_before
    return replace(
        account,
        name=change.name or account.name,
        scopes=scopes,
        status=status,
        quota_bytes=account.quota_bytes if change.quota_bytes is UNCHANGED else change.quota_bytes,
        quota_files=account.quota_files if change.quota_files is UNCHANGED else change.quota_files,
        tokens_not_before=end_of_tokens(now, before) if suspended or not account.scopes <= scopes else before,
        updated_at=now,
    )


async def _known(rows: AccountRows, account_id: UUID, *, lock: bool = False) -> ServiceAccount:
    account = await rows.get(account_id, lock=lock)
    if account is None:
        raise NotFound("There is no such service account")
    return account


def new_client_id(name: str) -> str:
    """`sa_<name>_<random>`: readable in a log, and unguessable enough never to collide (requirement I3)."""
    readable = re.sub(r"[^a-z0-9]+", "-", name.lower()).strip("-")[:40] or "account"
    return f"sa_{readable}_{secrets.token_hex(4)}"


def _expiry(now: datetime, days: int) -> datetime | None:
    return now + timedelta(days=days) if days else None

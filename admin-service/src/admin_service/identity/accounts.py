"""Service accounts: programs that use ArtStore, and the services it is made of (requirements I1–I4)."""

from __future__ import annotations

import re
import secrets
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Protocol
from uuid import UUID

from artstore_core.errors import NotFound
from artstore_core.ids import new_id
from artstore_core.scopes import AccountKind, Scope

from admin_service.identity.clock import Clock
from admin_service.identity.secrets import SecretHasher, new_secret

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
    async def get(self, account_id: UUID, *, lock: bool = False) -> ServiceAccount | None: ...
    async def by_client_id(self, client_id: str) -> ServiceAccount | None: ...
    async def page(self, *, limit: int, offset: int) -> tuple[Sequence[ServiceAccount], int]: ...


@dataclass(frozen=True, slots=True)
class NewAccount:
    name: str
    kind: AccountKind
    scopes: frozenset[Scope]
    expires_in_days: int = DEFAULT_EXPIRY_DAYS
    """0: the secret never expires."""


@dataclass(frozen=True, slots=True)
class AccountChange:
    """None leaves a field as it is."""

    name: str | None = None
    scopes: frozenset[Scope] | None = None
    status: AccountStatus | None = None


class ServiceAccounts:
    """Create, change, rotate, delete. A new secret is returned once, beside the account, and kept only hashed."""

    def __init__(self, hasher: SecretHasher, clock: Clock) -> None:
        self._hasher, self._clock = hasher, clock

    async def create(self, rows: AccountRows, new: NewAccount) -> tuple[ServiceAccount, str]:
        now, secret = self._clock(), new_secret()
        account = ServiceAccount(
            id=new_id(),
            client_id=new_client_id(new.name),
            name=new.name,
            kind=new.kind,
            scopes=new.scopes,
            status=AccountStatus.ACTIVE,
            secret_hash=await self._hasher.hash(secret),
            secret_expires_at=_expiry(now, new.expires_in_days),
            previous_secret_hash=None,
            previous_secret_expires_at=None,
            created_at=now,
            updated_at=now,
        )
        await rows.add(account)
        return account, secret

    async def change(self, rows: AccountRows, account_id: UUID, change: AccountChange) -> ServiceAccount:
        account = await self._locked(rows, account_id)
        changed = replace(
            account,
            name=change.name or account.name,
            scopes=account.scopes if change.scopes is None else change.scopes,
            status=change.status or account.status,
            updated_at=self._clock(),
        )
        await rows.save(changed)
        return changed

    async def rotate_secret(
        self, rows: AccountRows, account_id: UUID, *, overlap_seconds: int, expires_in_days: int
    ) -> tuple[ServiceAccount, str]:
        """The old secret works for `overlap_seconds` more, but never past its own expiry."""
        account = await self._locked(rows, account_id)
        now, secret = self._clock(), new_secret()
        overlap_ends = now + timedelta(seconds=overlap_seconds)
        if account.secret_expires_at is not None:
            overlap_ends = min(overlap_ends, account.secret_expires_at)
        rotated = replace(
            account,
            secret_hash=await self._hasher.hash(secret),
            secret_expires_at=_expiry(now, expires_in_days),
            previous_secret_hash=account.secret_hash if overlap_seconds else None,
            previous_secret_expires_at=overlap_ends if overlap_seconds else None,
            updated_at=now,
        )
        await rows.save(rotated)
        return rotated, secret

    async def delete(self, rows: AccountRows, account_id: UUID) -> None:
        if not await rows.delete(account_id):
            raise NotFound("There is no such service account")

    async def get(self, rows: AccountRows, account_id: UUID) -> ServiceAccount:
        account = await rows.get(account_id)
        if account is None:
            raise NotFound("There is no such service account")
        return account

    async def _locked(self, rows: AccountRows, account_id: UUID) -> ServiceAccount:
        account = await rows.get(account_id, lock=True)
        if account is None:
            raise NotFound("There is no such service account")
        return account


def new_client_id(name: str) -> str:
    """`sa_<name>_<random>`: readable in a log, and unguessable enough never to collide (requirement I3)."""
    readable = re.sub(r"[^a-z0-9]+", "-", name.lower()).strip("-")[:40] or "account"
    return f"sa_{readable}_{secrets.token_hex(4)}"


def _expiry(now: datetime, days: int) -> datetime | None:
    return now + timedelta(days=days) if days else None

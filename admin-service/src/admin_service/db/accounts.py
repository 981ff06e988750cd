"""Service accounts in PostgreSQL."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import asdict
from datetime import datetime
from typing import Any
from uuid import UUID

from artstore_core.scopes import AccountKind, Scope
from sqlalchemy import Row, delete, func, insert, select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from admin_service.db.tables import account_usage
from admin_service.db.tables import service_accounts as table
from admin_service.identity.accounts import AccountStatus, ServiceAccount
from admin_service.identity.quota import Usage

_ACTIVE = table.c.status == AccountStatus.ACTIVE


class AccountTable:
    """identity.accounts.AccountRows."""

    def __init__(self, connection: AsyncConnection) -> None:
        self._connection = connection

    async def add(self, account: ServiceAccount) -> None:
        await self._connection.execute(insert(table).values(_values(account)))

    async def save(self, account: ServiceAccount) -> None:
        await self._connection.execute(update(table).where(table.c.id == account.id).values(_values(account)))

    async def delete(self, account_id: UUID) -> bool:
        return bool((await self._connection.execute(delete(table).where(table.c.id == account_id))).rowcount)

    async def get(self, account_id: UUID, *, lock: bool = False, share: bool = False) -> ServiceAccount | None:
        query = select(table).where(table.c.id == account_id)
        query = query.with_for_update(read=share) if lock or share else query
        row = (await self._connection.execute(query)).one_or_none()
        return _account(row) if row else None

    async def by_client_id(self, client_id: str) -> ServiceAccount | None:
        query = select(table).where(table.c.client_id == client_id)
        row = (await self._connection.execute(query)).one_or_none()
        return _account(row) if row else None

    async def page(
        self,
        *,
        limit: int,
        offset: int,
        kind: AccountKind | None = None,
        status: AccountStatus | None = None,
        secret_expires_until: datetime | None = None,
    ) -> tuple[Sequence[ServiceAccount], int]:
        wanted = [table.c[name] == value for name, value in (("kind", kind), ("status", status)) if value is not None]
        if secret_expires_until is not None:
            wanted.append(table.c.secret_expires_at <= secret_expires_until)
        query = select(table).where(*wanted).order_by(table.c.created_at, table.c.id).limit(limit).offset(offset)
        rows = (await self._connection.execute(query)).all()
        count = select(func.count()).select_from(table).where(*wanted)
        return [_account(row) for row in rows], (await self._connection.execute(count)).scalar_one()

    async def count_expiring(self, now: datetime, until: datetime) -> tuple[int, int]:
        expired = func.count().filter(table.c.secret_expires_at <= now)
        query = select(func.count() - expired, expired).where(_ACTIVE, table.c.secret_expires_at <= until)
        soon, over = (await self._connection.execute(query)).one()
        return soon, over


class UsageTable:
    """identity.quota.UsageRows."""

    def __init__(self, connection: AsyncConnection) -> None:
        self._connection = connection

    async def of(self, principals: Collection[str]) -> Mapping[str, Usage]:
        query = select(account_usage).where(account_usage.c.principal.in_(list(principals)))
        rows = await self._connection.execute(query)
        return {row.principal: Usage(bytes=row.bytes, files=row.files) for row in rows}


def _values(account: ServiceAccount) -> dict[str, Any]:
    return asdict(account) | {"scopes": sorted(account.scopes)}


def _account(row: Row[Any]) -> ServiceAccount:
    columns = dict(row._mapping)
    return ServiceAccount(
        **columns
        | {
            "kind": AccountKind(columns["kind"]),
            "status": AccountStatus(columns["status"]),
            "scopes": frozenset(Scope(scope) for scope in columns["scopes"]),
        }
    )

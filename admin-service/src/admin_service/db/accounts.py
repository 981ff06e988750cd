"""Service accounts in PostgreSQL."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from typing import Any
from uuid import UUID

from artstore_core.scopes import AccountKind, Scope
from sqlalchemy import Row, delete, func, insert, select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from admin_service.db.tables import service_accounts as table
from admin_service.identity.accounts import AccountStatus, ServiceAccount


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

    async def get(self, account_id: UUID, *, lock: bool = False) -> ServiceAccount | None:
        query = select(table).where(table.c.id == account_id)
        row = (await self._connection.execute(query.with_for_update() if lock else query)).one_or_none()
        return _account(row) if row else None

    async def by_client_id(self, client_id: str) -> ServiceAccount | None:
        query = select(table).where(table.c.client_id == client_id)
        row = (await self._connection.execute(query)).one_or_none()
        return _account(row) if row else None

    async def page(self, *, limit: int, offset: int) -> tuple[Sequence[ServiceAccount], int]:
        query = select(table).order_by(table.c.created_at, table.c.id).limit(limit).offset(offset)
        rows = (await self._connection.execute(query)).all()
        total = (await self._connection.execute(select(func.count()).select_from(table))).scalar_one()
        return [_account(row) for row in rows], total


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

"""Quotas and their reservations in PostgreSQL."""

from __future__ import annotations

from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import delete, exists, func, select, text
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncConnection

from admin_service.db.tables import account_usage, admin_users, files, service_accounts
from admin_service.db.tables import quota_reservations as table
from admin_service.quotas.reservations import Held, Quota

_LOCK = text("SELECT pg_advisory_xact_lock(hashtext('artstore_quota'), hashtext(:principal))")


class QuotaTable:
    """quotas.reservations.QuotaRows."""

    def __init__(self, connection: AsyncConnection) -> None:
        self._connection = connection

    async def quota(self, principal: str) -> Quota:
        kind, _, name = principal.partition(":")
        accounts, named = (
            (service_accounts, service_accounts.c.client_id) if kind == "sa" else (admin_users, admin_users.c.username)
        )
        query = select(accounts.c.quota_bytes, accounts.c.quota_files).where(named == name)
        row = (await self._connection.execute(query)).one_or_none()
        return Quota(row.quota_bytes, row.quota_files) if row else Quota(None, None)

    async def is_registered(self, file_id: UUID) -> bool:
        return bool((await self._connection.execute(select(exists().where(files.c.file_id == file_id)))).scalar_one())

    async def lock(self, principal: str) -> None:
        await self._connection.execute(_LOCK, {"principal": principal})

    async def held(self, principal: str, besides: UUID, now: datetime) -> Held:
        used = account_usage
        open_now = (table.c.principal == principal, table.c.file_id != besides, table.c.expires_at > now)
        query = select(
            _sum(select(used.c.files).where(used.c.principal == principal).scalar_subquery()),
            _sum(select(used.c.bytes).where(used.c.principal == principal).scalar_subquery()),
            select(func.count()).select_from(table).where(*open_now).scalar_subquery(),
            _sum(select(func.sum(table.c.bytes)).where(*open_now).scalar_subquery()),
        )
        files_used, bytes_used, reserved, bytes_reserved = (await self._connection.execute(query)).one()
        return Held(bytes=int(bytes_used + bytes_reserved), files=int(files_used + reserved))

    async def reserve(self, file_id: UUID, principal: str, size: int, expires_at: datetime) -> bool:
        statement = insert(table).values(file_id=file_id, principal=principal, bytes=size, expires_at=expires_at)
        renewed = statement.on_conflict_do_update(
            index_elements=["file_id"],
            set_={"bytes": statement.excluded.bytes, "expires_at": statement.excluded.expires_at},
            where=table.c.principal == statement.excluded.principal,
        )
        return bool((await self._connection.execute(renewed)).rowcount)

    async def release(self, file_id: UUID) -> None:
        await self._connection.execute(delete(table).where(table.c.file_id == file_id))


def _sum(subquery: Any) -> Any:
    return func.coalesce(subquery, 0)

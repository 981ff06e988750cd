"""Signing keys in PostgreSQL."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from datetime import datetime

from sqlalchemy import delete, func, insert, select, text, update
from sqlalchemy.ext.asyncio import AsyncConnection

from admin_service.db.tables import jwt_keys as table
from admin_service.identity.keys import SigningKey

_ONE_AT_A_TIME = 0x4A574B53  # "JWKS": the advisory lock under which keys are changed
_LAST_FIRST = (table.c.active_from.desc(), table.c.created_at.desc())


class KeyTable:
    """identity.keys.KeyRows."""

    def __init__(self, connection: AsyncConnection) -> None:
        self._connection = connection

    async def lock(self) -> None:
        await self._connection.execute(text("SELECT pg_advisory_xact_lock(:key)"), {"key": _ONE_AT_A_TIME})

    async def add_first(self, key: SigningKey) -> bool:
        await self.lock()
        if (await self._connection.execute(select(func.count()).select_from(table))).scalar_one():
            return False
        await self.add(key)
        return True

    async def add(self, key: SigningKey) -> None:
        await self._connection.execute(insert(table).values(asdict(key)))

    async def every(self) -> Sequence[SigningKey]:
        rows = await self._connection.execute(select(table).order_by(*_LAST_FIRST))
        return [SigningKey(**row._mapping) for row in rows]

    async def published(self) -> Sequence[SigningKey]:
        rows = await self._connection.execute(
            select(table).where(table.c.withdrawn_at.is_(None)).order_by(*_LAST_FIRST)
        )
        return [SigningKey(**row._mapping) for row in rows]

    async def withdraw(self, kid: str, now: datetime) -> None:
        await self._connection.execute(
            update(table).where(table.c.kid == kid).values(withdrawn_at=now, private_encrypted=None)
        )

    async def seal_anew(self, kid: str, private_encrypted: bytes) -> None:
        await self._connection.execute(
            update(table).where(table.c.kid == kid).values(private_encrypted=private_encrypted)
        )

    async def forget(self, withdrawn_before: datetime) -> None:
        await self._connection.execute(delete(table).where(table.c.withdrawn_at < withdrawn_before))

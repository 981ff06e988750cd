"""Signing keys in PostgreSQL."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict

from sqlalchemy import func, insert, select, text
from sqlalchemy.ext.asyncio import AsyncConnection

from admin_service.db.tables import jwt_keys as table
from admin_service.identity.keys import SigningKey

_ONE_AT_A_TIME = 0x4A574B53  # "JWKS": the advisory lock under which keys are added


class KeyTable:
    """identity.keys.KeyRows."""

    def __init__(self, connection: AsyncConnection) -> None:
        self._connection = connection

    async def add_first(self, key: SigningKey) -> bool:
        await self._connection.execute(text("SELECT pg_advisory_xact_lock(:key)"), {"key": _ONE_AT_A_TIME})
        if (await self._connection.execute(select(func.count()).select_from(table))).scalar_one():
            return False
        await self._connection.execute(insert(table).values(asdict(key)))
        return True

    async def published(self) -> Sequence[SigningKey]:
        rows = await self._connection.execute(select(table).order_by(table.c.active_from.desc()))
        return [SigningKey(**row._mapping) for row in rows]

"""Admin users in PostgreSQL."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from datetime import datetime
from typing import Any
from uuid import UUID

from artstore_core.ids import new_id
from sqlalchemy import Row, delete, exists, func, select, text, update
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncConnection

from admin_service.db.tables import admin_users as table
from admin_service.identity.passwords import folded
from admin_service.identity.standing import before_its_first_token
from admin_service.identity.users import AdminUser, Role, UserStatus

_ONE_AT_A_TIME = 0x55534552  # "USER": the advisory lock under which users come, go and change their role


class UserTable:
    """identity.users.UserRows."""

    def __init__(self, connection: AsyncConnection) -> None:
        self._connection = connection

    async def add_first(self, username: str, password_hash: str, now: datetime) -> bool:
        await self.one_at_a_time()
        if (await self._connection.execute(select(exists(select(table.c.id))))).scalar_one():
            return False
        first = AdminUser(
            id=new_id(),
            username=username,
            role=Role.ADMIN,
            password_hash=password_hash,
            created_at=now,
            updated_at=now,
            tokens_not_before=before_its_first_token(now),
        )
        return await self._added(first)

    async def one_at_a_time(self) -> None:
        await self._connection.execute(text("SELECT pg_advisory_xact_lock(:key)"), {"key": _ONE_AT_A_TIME})

    async def add(self, user: AdminUser) -> bool:
        # Compared here and not by PostgreSQL, whose lower() is another: failed sign-ins are counted by this one.
        names = (await self._connection.execute(select(table.c.username))).scalars()
        if any(folded(name) == folded(user.username) for name in names):
            return False
        return await self._added(user)

    async def _added(self, user: AdminUser) -> bool:
        statement = insert(table).values(asdict(user)).on_conflict_do_nothing(index_elements=["username"])
        return bool((await self._connection.execute(statement)).rowcount)

    async def save(self, user: AdminUser) -> None:
        await self._connection.execute(update(table).where(table.c.id == user.id).values(asdict(user)))

    async def delete(self, user_id: UUID) -> None:
        await self._connection.execute(delete(table).where(table.c.id == user_id))

    async def get(self, user_id: UUID, *, lock: bool = False) -> AdminUser | None:
        return await self._one(table.c.id == user_id, lock)

    async def by_name(self, username: str, *, lock: bool = False) -> AdminUser | None:
        return await self._one(table.c.username == username, lock)

    async def _one(self, condition: Any, lock: bool) -> AdminUser | None:
        query = select(table).where(condition)
        row = (await self._connection.execute(query.with_for_update() if lock else query)).one_or_none()
        return _user(row) if row else None

    async def page(self, *, limit: int, offset: int) -> tuple[Sequence[AdminUser], int]:
        query = select(table).order_by(table.c.created_at, table.c.id).limit(limit).offset(offset)
        rows = (await self._connection.execute(query)).all()
        total = (await self._connection.execute(select(func.count()).select_from(table))).scalar_one()
        return [_user(row) for row in rows], total

    async def active_admins(self) -> int:
        query = select(func.count()).where(table.c.role == Role.ADMIN, table.c.status == UserStatus.ACTIVE)
        return (await self._connection.execute(query)).scalar_one()


def _user(row: Row[Any]) -> AdminUser:
    columns = dict(row._mapping)
    return AdminUser(**columns | {"role": Role(columns["role"]), "status": UserStatus(columns["status"])})

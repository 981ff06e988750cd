"""Admin users in PostgreSQL."""

from __future__ import annotations

from datetime import datetime

from artstore_core.ids import new_id
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncConnection

from admin_service.db.tables import admin_users as table


class UserTable:
    def __init__(self, connection: AsyncConnection) -> None:
        self._connection = connection

    async def add_first(self, username: str, password_hash: str, now: datetime) -> bool:
        """Adds an admin unless the name is taken; True when it was added."""
        statement = insert(table).values(
            id=new_id(), username=username, role="admin", password_hash=password_hash, created_at=now, updated_at=now
        )
        result = await self._connection.execute(statement.on_conflict_do_nothing(index_elements=["username"]))
        return bool(result.rowcount)

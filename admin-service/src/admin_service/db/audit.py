"""The audit log in PostgreSQL. The role that writes it may neither change nor remove what stands there."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict

from sqlalchemy import insert
from sqlalchemy.ext.asyncio import AsyncConnection

from admin_service.audit.log import Entry
from admin_service.db.tables import audit_log as table


class AuditTable:
    """audit.log.AuditRows."""

    def __init__(self, connection: AsyncConnection) -> None:
        self._connection = connection

    async def add(self, entries: Sequence[Entry]) -> None:
        if entries:
            await self._connection.execute(insert(table), [asdict(entry) for entry in entries])

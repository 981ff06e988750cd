"""Totals of the registry in PostgreSQL."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from artstore_core.files import FileStatus
from sqlalchemy import Date, case, cast, func, select
from sqlalchemy.ext.asyncio import AsyncConnection

from admin_service.db.tables import account_usage, files
from admin_service.identity.quota import Usage
from admin_service.registry.totals import Counted


class TotalTable:
    """registry.totals.TotalRows."""

    def __init__(self, connection: AsyncConnection) -> None:
        self._connection = connection

    async def now(self) -> Usage:
        query = select(
            func.coalesce(func.sum(account_usage.c.files), 0).label("files"),
            func.coalesce(func.sum(account_usage.c.bytes), 0).label("bytes"),
        )
        row = (await self._connection.execute(query)).one()
        return Usage(bytes=int(row.bytes), files=int(row.files))

    async def count(self, since: datetime) -> Sequence[Counted]:
        day = case((files.c.uploaded_at >= since, cast(func.timezone("UTC", files.c.uploaded_at), Date)))
        query = (
            select(
                files.c.storage_element_id,
                files.c.status,
                day.label("day"),
                func.count().label("files"),
                func.sum(files.c.size).label("bytes"),
            )
            .where(files.c.status.in_([FileStatus.ACTIVE, FileStatus.DAMAGED]))
            .group_by(files.c.storage_element_id, files.c.status, "day")
        )
        rows = await self._connection.execute(query)
        return [
            Counted(row.storage_element_id, FileStatus(row.status), row.day, row.files, int(row.bytes)) for row in rows
        ]

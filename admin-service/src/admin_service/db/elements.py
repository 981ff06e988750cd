"""Storage elements in PostgreSQL."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from typing import Any

from artstore_core.elements import ElementStatus
from artstore_core.modes import Mode
from sqlalchemy import Row, func, select, update
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncConnection

from admin_service.db.tables import storage_elements as table
from admin_service.registry.elements import StorageElement

_SEEN = (
    "status", "mode", "version", "capacity_bytes", "used_bytes", "available_bytes", "last_error", "last_seen_at",
    "checked_at", "epoch", "sequence",
)  # fmt: skip


class ElementTable:
    """registry.elements.ElementRows."""

    def __init__(self, connection: AsyncConnection) -> None:
        self._connection = connection

    async def put(self, element: StorageElement) -> None:
        statement = insert(table).values(asdict(element))
        replaced = {"url": statement.excluded.url, "updated_at": statement.excluded.updated_at}
        await self._connection.execute(
            statement.on_conflict_do_update(
                index_elements=["storage_id"], set_=replaced, where=table.c.url != statement.excluded.url
            )
        )

    async def seen(self, element: StorageElement) -> None:
        columns = asdict(element)
        await self._connection.execute(
            update(table)
            .where(table.c.storage_id == element.storage_id)
            .values({name: columns[name] for name in _SEEN})
        )

    async def get(self, storage_id: str) -> StorageElement | None:
        row = (await self._connection.execute(select(table).where(table.c.storage_id == storage_id))).one_or_none()
        return _element(row) if row else None

    async def page(
        self, *, mode: Mode | None, status: ElementStatus | None, limit: int, offset: int
    ) -> tuple[Sequence[StorageElement], int]:
        query = select(table)
        if mode is not None:
            query = query.where(table.c.mode == mode)
        if status is not None:
            query = query.where(table.c.status == status)
        total = (await self._connection.execute(select(func.count()).select_from(query.subquery()))).scalar_one()
        rows = await self._connection.execute(query.order_by(table.c.storage_id).limit(limit).offset(offset))
        return [_element(row) for row in rows], total

    async def every(self) -> Sequence[StorageElement]:
        return [_element(row) for row in await self._connection.execute(select(table).order_by(table.c.storage_id))]


def _element(row: Row[Any]) -> StorageElement:
    columns = dict(row._mapping)
    return StorageElement(
        **columns
        | {
            "status": ElementStatus(columns["status"]),
            "mode": Mode(columns["mode"]) if columns["mode"] else None,
        }
    )

"""Storage elements in PostgreSQL."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from datetime import timedelta
from typing import Any

import asyncpg
from artstore_core.elements import ElementStatus
from artstore_core.files import FileStatus
from artstore_core.modes import Mode
from artstore_postgres.engine import driver_error
from sqlalchemy import Row, and_, delete, exists, func, or_, select, update
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.exc import IntegrityError
from sqlalchemy.ext.asyncio import AsyncConnection

from admin_service.db.tables import files
from admin_service.db.tables import storage_elements as table
from admin_service.registry.elements import StorageElement

_SEEN = (
    "status", "mode", "version", "capacity_bytes", "used_bytes", "available_bytes", "last_error", "last_seen_at",
    "checked_at", "epoch", "sequence",
)  # fmt: skip
CLOCKS_DIFFER = timedelta(minutes=1)
"""At most, between replicas and PostgreSQL."""
_EDITED = ("url", "description", "updated_at")


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

    async def add(self, element: StorageElement) -> bool:
        statement = insert(table).values(asdict(element)).on_conflict_do_nothing().returning(table.c.storage_id)
        return (await self._connection.execute(statement)).one_or_none() is not None

    async def save(self, element: StorageElement) -> bool:
        columns = asdict(element)
        change = update(table).where(table.c.storage_id == element.storage_id)
        try:
            # A savepoint: the transaction goes on after a url that is taken.
            async with self._connection.begin_nested():
                await self._connection.execute(change.values({name: columns[name] for name in _EDITED}))
        except IntegrityError as error:
            if isinstance(driver_error(error), asyncpg.UniqueViolationError):
                return False
            raise
        return True

    async def seen(self, element: StorageElement) -> None:
        columns = asdict(element)
        asked_before = or_(
            table.c.checked_at.is_(None),
            table.c.checked_at <= element.checked_at,
            table.c.checked_at > func.now() + CLOCKS_DIFFER,  # by a clock that was wrong, and is no more
        )
        await self._connection.execute(
            update(table)
            .where(table.c.storage_id == element.storage_id, table.c.url == element.url, asked_before)
            .values({name: columns[name] for name in _SEEN})
        )

    async def get(self, storage_id: str, *, lock: bool = False) -> StorageElement | None:
        query = select(table).where(table.c.storage_id == storage_id)
        row = (await self._connection.execute(query.with_for_update() if lock else query)).one_or_none()
        return _element(row) if row else None

    async def is_registered(self, storage_id: str, url: str) -> bool:
        query = select(exists().where(or_(table.c.storage_id == storage_id, table.c.url == url)))
        return bool((await self._connection.execute(query)).scalar_one())

    async def has_live_files(self, storage_id: str) -> bool:
        live = and_(files.c.storage_element_id == storage_id, files.c.status != FileStatus.DELETED)
        return bool((await self._connection.execute(select(exists().where(live)))).scalar_one())

    async def remove_files(self, storage_id: str, *, live: bool, limit: int) -> int:
        some = select(files.c.file_id).where(files.c.storage_element_id == storage_id)
        if not live:
            some = some.where(files.c.status == FileStatus.DELETED)
        # In one order, so that two who remove at the same time wait for each other and never deadlock.
        some = some.order_by(files.c.file_id).limit(limit).with_for_update()
        gone = await self._connection.execute(delete(files).where(files.c.file_id.in_(some)))
        return gone.rowcount

    async def delete(self, storage_id: str) -> None:
        await self._connection.execute(delete(table).where(table.c.storage_id == storage_id))

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

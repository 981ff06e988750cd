"""The audit log in PostgreSQL. The role that writes it may neither change nor remove what stands there."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, fields
from typing import Any

from artstore_audit import Outcome
from sqlalchemy import ColumnElement, Row, func, select
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncConnection

from admin_service.audit.log import Entry
from admin_service.audit.search import COUNTED, Found, Kept, Search
from admin_service.db.tables import audit_log as table

_FIELDS = tuple(field.name for field in fields(Entry))
_WHOLE = ("actor", "target", "outcome", "service", "request_id")


class AuditTable:
    """audit.log.AuditRows, audit.search.AuditSearchRows."""

    def __init__(self, connection: AsyncConnection) -> None:
        self._connection = connection

    async def add(self, entries: Sequence[Entry]) -> None:
        if entries:
            statement = insert(table).on_conflict_do_nothing(index_elements=["entry_id"])
            await self._connection.execute(statement, [asdict(entry) for entry in entries])

    async def search(self, search: Search, *, limit: int, offset: int) -> Found:
        newest = search.newest_id
        if newest is None:
            newest = (await self._connection.execute(select(func.coalesce(func.max(table.c.id), 0)))).scalar_one()
        wanted = select(table).where(table.c.id <= newest, *_conditions(search))
        ordered = wanted.order_by(table.c.happened_at.desc(), table.c.id.desc()).limit(limit).offset(offset)
        rows = (await self._connection.execute(ordered)).all()
        most = offset + limit + COUNTED
        counted = select(func.count()).select_from(wanted.limit(most + 1).subquery())
        total = (await self._connection.execute(counted)).scalar_one()
        return Found([_kept(row) for row in rows], min(total, most), total <= most, newest)


def _conditions(search: Search) -> list[ColumnElement[bool]]:
    found = [table.c[name] == value for name in _WHOLE if (value := getattr(search, name)) is not None]
    if search.action is not None:
        found.append(table.c.action.startswith(search.action, autoescape=True))
    if search.since is not None:
        found.append(table.c.happened_at >= search.since)
    if search.until is not None:
        found.append(table.c.happened_at < search.until)
    return found


def _kept(row: Row[Any]) -> Kept:
    values = {name: row._mapping[name] for name in _FIELDS}
    return Kept(row.id, Entry(**values | {"outcome": Outcome(values["outcome"])}))

"""Syncs in PostgreSQL: their history, and the session in which one is carried out."""

from __future__ import annotations

import hashlib
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import asdict
from datetime import datetime
from typing import Any, Final, TypeVar
from uuid import UUID

import asyncpg
from artstore_core.errors import AdminUnavailable, NotFound
from artstore_core.ids import new_id
from artstore_postgres.engine import Postgres, driver_error, make_engine
from sqlalchemy import ColumnElement, Row, delete, func, insert, select, text, update
from sqlalchemy.exc import DBAPIError
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from admin_service.db.audit import AuditTable
from admin_service.db.bulk import ElementFiles, has_files
from admin_service.db.elements import ElementTable
from admin_service.db.tables import storage_elements, sync_absent
from admin_service.db.tables import syncs as table
from admin_service.registry.elements import StorageElement
from admin_service.registry.files import HeldFile
from admin_service.registry.syncs import Position, Sync, SyncKind, SyncReason, SyncStatus, Tally, Written

T = TypeVar("T")

HISTORY: Final = 1000
"""So many syncs are kept of each element."""
CONNECTIONS: Final = 16
"""Most syncs that may be open in one process, those that wait for their turn counted."""
_TRIES: Final = 5
_WAIT: Final = "25s"
_AGAIN: Final = (asyncpg.DeadlockDetectedError, asyncpg.SerializationError)
_SETTINGS: Final = {
    # A plan that was made for an empty table would read all of it for each page, once there is something in it.
    "plan_cache_mode": "force_custom_plan",
    # What a crash of PostgreSQL takes, it takes from the end, and a sync's position with it: the next sync does it again.
    "synchronous_commit": "off",
    # A machine that vanished must not keep an element locked.
    "tcp_keepalives_idle": "30",
    "tcp_keepalives_interval": "10",
    "tcp_keepalives_count": "3",
}


def sync_engine(url: str, application: str) -> AsyncEngine:
    """Connections of the syncs' own, so that no request waits for one that a sync has."""
    return make_engine(url, application=f"{application} syncs", pool_size=CONNECTIONS, settings=_SETTINGS)


class HistoryTable:
    """registry.syncs.SyncHistory."""

    def __init__(self, connection: AsyncConnection) -> None:
        self._connection = connection

    async def running(self, storage_id: str) -> Sync | None:
        running = select(table).where(table.c.storage_id == storage_id, table.c.status == SyncStatus.RUNNING)
        newest = running.order_by(table.c.started_at.desc(), table.c.id.desc()).limit(1)
        row = (await self._connection.execute(newest)).one_or_none()
        return _sync(row) if row else None

    async def page(self, storage_id: str, *, limit: int, offset: int) -> tuple[Sequence[Sync], int]:
        of_element = table.c.storage_id == storage_id
        total = (await self._connection.execute(select(func.count()).where(of_element))).scalar_one()
        newest_first = select(table).where(of_element).order_by(table.c.started_at.desc(), table.c.id.desc())
        rows = await self._connection.execute(newest_first.limit(limit).offset(offset))
        return [_sync(row) for row in rows], total

    async def interrupt(self, sync_id: UUID) -> None:
        await _interrupt(self._connection, table.c.id == sync_id)


class SessionRows:
    """registry.syncs.SyncRows. `begun` is None before `start`."""

    def __init__(self, connection: AsyncConnection, storage_id: str, begun: Sync | None) -> None:
        self._connection, self._storage_id, self.begun = connection, storage_id, begun
        self.audit = AuditTable(connection)

    async def element(self) -> StorageElement | None:
        return await ElementTable(self._connection).get(self._storage_id)

    async def has_files(self) -> bool:
        return await has_files(self._connection, self._storage_id)

    async def last_full(self) -> datetime | None:
        query = select(func.max(table.c.ended_at)).where(*self._full)
        found: datetime | None = (await self._connection.execute(query)).scalar_one()
        return found

    async def start(self, reason: SyncReason, kind: SyncKind, by: str) -> Sync:
        mine = table.c.storage_id == self._storage_id
        await _interrupt(self._connection, mine)
        newest = select(table.c.id).where(mine).order_by(table.c.started_at.desc(), table.c.id.desc())
        old = newest.offset(HISTORY - 1).subquery()
        # The last walk tells when the next one is due, however many syncs came since.
        walk = select(table.c.id).where(*self._full).order_by(table.c.ended_at.desc()).limit(1).scalar_subquery()
        gone = table.c.id.in_(select(old.c.id)), table.c.id.is_distinct_from(walk)
        await self._connection.execute(delete(table).where(*gone))
        row = await self._connection.execute(
            insert(table)
            .values(
                id=new_id(),
                storage_id=self._storage_id,
                kind=kind,
                reason=reason,
                status=SyncStatus.RUNNING,
                requested_by=by,
                started_at=func.clock_timestamp(),
                updated_at=func.clock_timestamp(),
            )
            .returning(table)
        )
        self.begun = _sync(row.one())
        return self.begun

    async def put(self, files: Sequence[HeldFile]) -> Written:
        return await self._files.put(files)

    async def note_absent(self, after: UUID | None, until: UUID | None, present: Sequence[UUID]) -> None:
        await self._files.note_absent(after, until, present)

    async def forget_absent(self, present: Sequence[UUID]) -> None:
        await self._files.forget_absent(present)

    async def mark_absent(self, limit: int) -> tuple[int, int]:
        return await self._files.mark_absent(limit)

    async def drop_files(self, limit: int) -> int:
        return await self._files.drop(limit)

    async def set_position(self, position: Position | None, *, finished: bool) -> None:
        values: dict[str, Any] = {
            "synced_epoch": position.epoch if position else None,
            "synced_sequence": position.sequence if position else None,
        }
        if finished or position is None:
            values["synced_at"] = func.clock_timestamp() if finished else None
        this = storage_elements.c.storage_id == self._storage_id
        await self._connection.execute(update(storage_elements).where(this).values(values))

    async def progress(self, kind: SyncKind, reason: SyncReason, tally: Tally) -> None:
        values = asdict(tally) | {"kind": kind, "reason": reason, "updated_at": func.clock_timestamp()}
        await self._connection.execute(update(table).where(table.c.id == self._sync.id).values(values))

    async def finish(self, status: SyncStatus, error: str | None) -> Sync:
        await self._connection.execute(delete(sync_absent).where(sync_absent.c.sync_id == self._sync.id))
        ended = {
            "status": status,
            "error": error,
            "ended_at": func.clock_timestamp(),
            "updated_at": func.clock_timestamp(),
        }
        statement = update(table).where(table.c.id == self._sync.id).values(ended).returning(table)
        row = (await self._connection.execute(statement)).one_or_none()
        if row is None:
            raise _removed()
        return _sync(row)

    @property
    def _full(self) -> tuple[ColumnElement[bool], ...]:
        """Walks of all the element's files that came to their end."""
        of_element = table.c.storage_id == self._storage_id
        return of_element, table.c.kind == SyncKind.FULL, table.c.status == SyncStatus.SUCCEEDED

    @property
    def _sync(self) -> Sync:
        if self.begun is None:
            raise RuntimeError("the sync was not started")
        return self.begun

    @property
    def _files(self) -> ElementFiles:
        return ElementFiles(self._connection, self._sync.id, self._storage_id, self._sync.started_at)


class Session:
    """registry.syncs.SyncSession: one connection, which holds the element's advisory lock."""

    def __init__(self, postgres: Postgres, connection: AsyncConnection, storage_id: str, held: AsyncExitStack) -> None:
        self._postgres, self._connection, self._storage_id, self._held = postgres, connection, storage_id, held
        self._begun: Sync | None = None

    @asynccontextmanager
    async def transaction(self) -> AsyncIterator[SessionRows]:
        rows = SessionRows(self._connection, self._storage_id, self._begun)
        try:
            async with self._postgres.on(self._connection):
                yield rows
        except DBAPIError as error:
            if isinstance(driver_error(error), asyncpg.ForeignKeyViolationError):
                raise _removed() from error
            raise
        self._begun = rows.begun

    async def retried(self, work: Callable[[SessionRows], Awaitable[T]]) -> T:
        for left in reversed(range(_TRIES)):
            try:
                async with self.transaction() as rows:
                    return await work(rows)
            except DBAPIError as error:
                if not left or not isinstance(driver_error(error), _AGAIN):
                    raise
        raise AssertionError("unreachable")

    async def close(self) -> None:
        """The lock is free afterwards: by its own word, or with its connection."""
        try:
            async with self._postgres.on(self._connection):
                await self._connection.execute(text("SELECT pg_advisory_unlock_all()"))
        except BaseException:
            await self._connection.invalidate()
            raise
        finally:
            await self._held.aclose()


class Sessions:
    """registry.syncs.SyncSessions, on an engine of `sync_engine`."""

    def __init__(self, engine: AsyncEngine) -> None:
        self._postgres = Postgres(engine, away=lambda: AdminUnavailable("The database cannot be reached now"))
        self.dispose = self._postgres.close

    async def open(self, storage_id: str, *, wait: bool) -> Session | None:
        async with AsyncExitStack() as opening:
            connection = await opening.enter_async_context(self._postgres.reading())
            taken = False
            while not taken:
                taken = await (self._wait if wait else self._try)(connection, _key(storage_id))
                if not taken and not wait:
                    return None
            return Session(self._postgres, connection, storage_id, opening.pop_all())

    async def _try(self, connection: AsyncConnection, key: int) -> bool:
        async with self._postgres.on(connection):
            return bool(
                (await connection.execute(text("SELECT pg_try_advisory_lock(:key)"), {"key": key})).scalar_one()
            )

    async def _wait(self, connection: AsyncConnection, key: int) -> bool:
        """In rounds shorter than any statement may take."""
        try:
            async with self._postgres.on(connection):
                await connection.execute(text(f"SET LOCAL lock_timeout = '{_WAIT}'"))
                await connection.execute(text("SELECT pg_advisory_lock(:key)"), {"key": key})
        except DBAPIError as error:
            if isinstance(driver_error(error), asyncpg.LockNotAvailableError):
                return False
            raise
        return True


def _key(storage_id: str) -> int:
    """The advisory lock of an element's syncs: 64 bits of its own."""
    return int.from_bytes(hashlib.sha256(f"sync of {storage_id}".encode()).digest()[:8], signed=True)


def _removed() -> NotFound:
    return NotFound("The storage element was removed meanwhile")


async def _interrupt(connection: AsyncConnection, which: Any) -> None:
    """What still says `running`, and is not."""
    ended = {"status": SyncStatus.INTERRUPTED, "ended_at": func.clock_timestamp(), "error": "it was cut off"}
    running = table.c.status == SyncStatus.RUNNING
    statement = update(table).where(which, running).values(ended).returning(table.c.id)
    dead = (await connection.execute(statement)).scalars().all()
    if dead:
        await connection.execute(delete(sync_absent).where(sync_absent.c.sync_id.in_(dead)))


def _sync(row: Row[Any]) -> Sync:
    columns = dict(row._mapping)
    kinds = {"kind": SyncKind, "reason": SyncReason, "status": SyncStatus}
    return Sync(**columns | {name: kind(columns[name]) for name, kind in kinds.items()})

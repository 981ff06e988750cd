"""jobs.ports.Ledger on PostgreSQL."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from uuid import UUID

from artstore_outbox import Position
from artstore_postgres.engine import Postgres
from sqlalchemy.ext.asyncio import AsyncConnection

from render_service.db.changes import add_job, forget
from render_service.db.files import candidate
from render_service.db.queries import query
from render_service.decoders.contract import MediaKind
from render_service.jobs.job import Candidate


class IntakeLedger:
    def __init__(self, database: Postgres) -> None:
        self._database = database

    @asynccontextmanager
    async def writing(self) -> AsyncIterator[IntakeTransaction]:
        async with self._database.transaction() as connection:
            await connection.execute(query("one_follower"))
            yield IntakeTransaction(connection)


class IntakeTransaction:
    """jobs.ports.Registrations."""

    def __init__(self, connection: AsyncConnection) -> None:
        self._connection = connection

    async def position(self) -> Position | None:
        row = (await self._connection.execute(query("get_position"))).one_or_none()
        return None if row is None else Position(row.origin, row.transaction_id, row.id)

    async def keep(self, position: Position) -> None:
        parameters = {"origin": position.origin, "transaction_id": position.transaction_id, "number": position.id}
        await self._connection.execute(query("keep_position"), parameters)

    async def named(self, file_ids: Sequence[UUID]) -> list[Candidate]:
        rows = await self._connection.execute(query("named_files"), {"file_ids": list(file_ids)})
        return [candidate(row) for row in rows]

    async def register(self, files: Sequence[tuple[Candidate, MediaKind]], priority: int) -> None:
        if not files:
            return
        rows = await self._connection.execute(query("lock_jobs"), {"file_ids": [file.file_id for file, _ in files]})
        known = {row.file_id: row.checksum for row in rows}
        await forget(self._connection, [f.file_id for f, _ in files if known.get(f.file_id, f.checksum) != f.checksum])
        for file, media in sorted(files, key=lambda one: one[0].file_id):
            # A new revision of the same bytes has its previews already.
            if known.get(file.file_id) != file.checksum:
                await add_job(self._connection, file, media, priority)

    async def forget(self, file_ids: Sequence[UUID]) -> None:
        await forget(self._connection, file_ids)

    async def next_files(self, after: UUID, limit: int) -> list[Candidate]:
        rows = await self._connection.execute(query("next_files"), {"after": after, "limit": limit})
        return [candidate(row) for row in rows]

    async def next_orphans(self, after: UUID, limit: int) -> list[UUID]:
        rows = await self._connection.execute(query("next_orphans"), {"after": after, "limit": limit})
        return [row.file_id for row in rows]

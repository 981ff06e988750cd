"""renditions.viewing.Board and the list of jobs, on PostgreSQL."""

from __future__ import annotations

from datetime import datetime
from typing import Any
from uuid import UUID

from artstore_postgres.engine import Postgres
from sqlalchemy import Row
from sqlalchemy.ext.asyncio import AsyncConnection

from render_service.db.changes import add_job, enqueue, job_of, remove, tell
from render_service.db.queries import query
from render_service.decoders.contract import MediaKind, RenditionKind
from render_service.jobs.job import Candidate, Job, Priority, State
from render_service.metrics import QueueState
from render_service.renditions.rendition import Kept, Rendition


class BoardRows:
    def __init__(self, database: Postgres) -> None:
        self._database = database

    async def job_of(self, file_id: UUID) -> Job | None:
        return await self._one("get_job_of", file_id=file_id)

    async def job(self, job_id: UUID) -> Job | None:
        return await self._one("get_job", id=job_id)

    async def queue(self) -> QueueState:
        async with self._database.reading() as connection:
            row = (await connection.execute(query("count_queue"))).one()
        return QueueState(row.waiting, row.oldest, row.dead)

    async def jobs(self, state: State | None, file_id: UUID | None, limit: int, offset: int) -> tuple[list[Job], int]:
        """A page, the latest change first, and how many there are."""
        given = {"state": state.value if state else "", "file_id": file_id, "limit": limit, "offset": offset}
        async with self._database.reading() as connection:
            rows = (await connection.execute(query("list_jobs"), given)).all()
        return [job_of(row) for row in rows if row.id is not None], rows[0].hits

    async def ask(self, file: Candidate, media: MediaKind, priority: Priority) -> Job:
        async with self._database.transaction() as connection:
            await add_job(connection, file, media, priority)
            job = job_of((await connection.execute(query("hold_job_of"), {"file_id": file.file_id})).one())
            if job.state is State.WAITING and job.priority < priority:
                await connection.execute(query("raise_job"), {"id": job.id, "priority": priority})
                await enqueue(connection, job.id, job.generation, priority)  # finds its row, and raises that
            await tell(connection, [file.file_id])
        return job

    async def renew(self, job_id: UUID, generation: int, priority: Priority) -> Job | None:
        async with self._database.transaction() as connection:
            given = {"id": job_id, "generation": generation, "priority": priority}
            row = (await connection.execute(query("renew_job"), given)).one_or_none()
            if row is None:
                return None
            await _forget_renditions(connection, row.file_id)
            await enqueue(connection, job_id, row.generation, priority)
            await tell(connection, [row.file_id])
        return job_of(row)

    async def renditions(self, file_id: UUID) -> list[Rendition]:
        async with self._database.reading() as connection:
            rows = await connection.execute(query("list_renditions"), {"file_id": file_id})
            return [_rendition(row) for row in rows]

    async def kept(self, file_id: UUID, name: str) -> Kept | None:
        return await self._kept("get_rendition", file_id=file_id, name=name)

    async def viewed(self, view: UUID, file_id: UUID) -> Kept | None:
        return await self._kept("get_viewed", id=view, file_id=file_id)

    async def being_made(self, file_id: UUID) -> bool:
        return await self._is("being_made", file_id=file_id)

    async def is_open(self, view: UUID, file_id: UUID) -> bool:
        return await self._is("is_open", id=view, file_id=file_id)

    async def renew_view(self, view: UUID, file_id: UUID, account: str, expires_at: datetime) -> UUID:
        given = {"id": view, "file_id": file_id, "account": account, "expires_at": expires_at}
        async with self._database.transaction() as connection:
            found: UUID = (await connection.execute(query("renew_view"), given)).scalar_one()
        return found

    async def _one(self, name: str, **given: UUID) -> Job | None:
        async with self._database.reading() as connection:
            row = (await connection.execute(query(name), given)).one_or_none()
        return None if row is None else job_of(row)

    async def _is(self, statement: str, **given: UUID) -> bool:
        async with self._database.reading() as connection:
            return bool((await connection.execute(query(statement), given)).scalar_one())

    async def _kept(self, statement: str, **given: Any) -> Kept | None:
        async with self._database.reading() as connection:
            row = (await connection.execute(query(statement), given)).one_or_none()
        return None if row is None else Kept(row.file_id, row.job_id, row.generation, _rendition(row))


async def _forget_renditions(connection: AsyncConnection, file_id: UUID) -> None:
    rows = await connection.execute(query("forget_renditions"), {"file_id": file_id})
    await remove(connection, [row.prefix for row in rows])


def _rendition(row: Row[Any]) -> Rendition:
    return Rendition(
        row.name, RenditionKind(row.kind), row.page, row.width, row.height, row.media_type, row.size, row.checksum,
        row.details, id=row.id, prefix=row.prefix, made_at=row.made_at,
    )  # fmt: skip

"""Changes of jobs that several parts make in the same words; each within a transaction that is given."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

from artstore_core.ids import new_id
from sqlalchemy import Row
from sqlalchemy.ext.asyncio import AsyncConnection

from render_service.db.queries import query
from render_service.db.queue import Queue
from render_service.decoders.contract import MediaKind
from render_service.jobs.job import Candidate, Job, State

_COLUMNS = tuple(Job.__dataclass_fields__)


def job_of(row: Row[Any]) -> Job:
    columns = {name: row._mapping[name] for name in _COLUMNS}
    return Job(**columns | {"state": State(columns["state"])})


async def add_job(connection: AsyncConnection, file: Candidate, media: MediaKind, priority: int) -> None:
    """Waits in the queue, unless the file has a job."""
    parameters = {
        "id": new_id(), "file_id": file.file_id, "checksum": file.checksum, "media": media.value, "priority": priority,
    }  # fmt: skip
    added = (await connection.execute(query("add_job"), parameters)).one_or_none()
    if added is not None:
        await enqueue(connection, added.id, added.generation, priority)


async def enqueue(connection: AsyncConnection, job_id: UUID, generation: int, priority: int) -> None:
    [number] = await Queue(connection).add([job_id], [generation], [priority])
    await connection.execute(query("set_queued"), {"id": job_id, "queue_id": number})


async def forget(connection: AsyncConnection, file_ids: Sequence[UUID]) -> None:
    """The jobs of these files, and all that was made of them."""
    if not file_ids:
        return
    given = {"file_ids": list(file_ids)}
    made = (await connection.execute(query("prefixes_of"), given)).scalars().all()
    gone = (await connection.execute(query("forget_jobs"), given)).all()
    await connection.execute(query("forget_views"), given)
    await Queue(connection).drop([row.queue_id for row in gone if row.queue_id is not None])
    await connection.execute(query("hasten_removals"), given)
    await remove(connection, made)
    await tell(connection, [row.file_id for row in gone])


async def remove(connection: AsyncConnection, prefixes: Iterable[str], after: timedelta = timedelta(0)) -> None:
    """From the store, by whichever worker gets to it. `after`: not before."""
    if named := sorted(set(prefixes)):
        await connection.execute(query("remove_prefixes"), {"prefixes": named, "due": datetime.now(UTC) + after})


async def tell(connection: AsyncConnection, file_ids: Sequence[UUID]) -> None:
    """Once the transaction is committed."""
    if file_ids:
        await connection.execute(query("tell"), {"file_ids": list(file_ids)})

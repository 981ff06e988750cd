"""Files of one element into the registry, a page at a time: one statement however many files.

A page goes in as one JSON text, which PostgreSQL takes apart itself: measured at 36 µs a row with all triggers, where
COPY into a temporary table and INSERT from there takes 50.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any, Final
from uuid import UUID

import asyncpg
from artstore_postgres.engine import driver_error
from pydantic import TypeAdapter
from sqlalchemy import ARRAY, BigInteger, DateTime, Integer, Text, Uuid, bindparam, text
from sqlalchemy.exc import DBAPIError
from sqlalchemy.ext.asyncio import AsyncConnection

from admin_service.registry.files import HeldFile
from admin_service.registry.listed import Refused
from admin_service.registry.syncs import EXAMPLES, Conflict, Written

TYPES: Final = {
    "file_id": "uuid",
    "original_filename": "text",
    "content_type": "text",
    "size": "bigint",
    "checksum": "text",
    "uploaded_by": "text",
    "uploaded_at": "timestamptz",
    "description": "text",
    "tags": "text[]",
    "metadata": "jsonb",
    "status": "text",
    "retention_policy": "text",
    "ttl_days": "integer",
    "expires_at": "timestamptz",
    "revision": "integer",
}
"""Of the columns that a file brings with it, as PostgreSQL reads them from JSON."""
_COLUMNS: Final = ", ".join(TYPES)
_REPLACED: Final = [name for name in TYPES if name != "file_id"]


def _differs(new: str) -> str:
    """Whether the row `held` is to become `new`. A row that says the same is not even locked."""

    def columns(row: str) -> str:
        return f"({', '.join(f'{row}.{name}' for name in _REPLACED)})"

    return f"""held.storage_element_id = :element AND held.revision <= {new}.revision
        AND {columns("held")} IS DISTINCT FROM {columns(new)}
        AND NOT (held.status = 'deleted' AND held.revision = {new}.revision AND held.updated_at >= :started)"""


_PUT: Final = text(
    f"""
WITH given AS MATERIALIZED (
    SELECT given.*, held.storage_element_id AS held_by, held.status AS held_status,
        held.file_id IS NULL OR ({_differs("given")}) AS wanted
    FROM jsonb_to_recordset(CAST(:files AS text)::jsonb)
        AS given ({", ".join(f"{name} {kind}" for name, kind in TYPES.items())})
    LEFT JOIN files AS held ON held.file_id = given.file_id
), put AS (
    INSERT INTO files AS held ({_COLUMNS}, storage_element_id)
    SELECT {_COLUMNS}, :element FROM given WHERE wanted ORDER BY file_id
    ON CONFLICT (file_id) DO UPDATE
        SET {", ".join(f"{name} = excluded.{name}" for name in _REPLACED)}, updated_at = now()
        WHERE {_differs("excluded")}
    RETURNING held.file_id, held.status, held.xmax = 0 AS new
), elsewhere AS (
    SELECT file_id, held_by FROM given WHERE held_by <> :element
), named AS (
    SELECT * FROM elsewhere ORDER BY file_id LIMIT {EXAMPLES}
)
SELECT
    count(*) FILTER (WHERE new AND put.status <> 'deleted') AS added,
    count(*) FILTER (WHERE NOT new AND put.status <> 'deleted') AS updated,
    count(*) FILTER (WHERE put.status = 'deleted' AND given.held_status <> 'deleted') AS deleted,
    (SELECT count(*) FROM elsewhere) AS conflicts,
    (SELECT array_agg(file_id ORDER BY file_id) FROM named) AS ids,
    (SELECT array_agg(held_by ORDER BY file_id) FROM named) AS held
FROM put JOIN given USING (file_id)
""".replace("::", r"\:\:")
).bindparams(
    bindparam("files", type_=Text), bindparam("element", type_=Text), bindparam("started", type_=DateTime(True))
)

_NOTE: Final = text("""
INSERT INTO sync_absent (sync_id, file_id)
SELECT :sync, file_id FROM files
WHERE storage_element_id = :element AND status <> 'deleted' AND updated_at < :started
    AND file_id > :after AND file_id <= :until AND NOT (file_id = ANY (:present))
""").bindparams(
    bindparam("sync", type_=Uuid),
    bindparam("element", type_=Text),
    bindparam("started", type_=DateTime(True)),
    bindparam("after", type_=Uuid),
    bindparam("until", type_=Uuid),
    bindparam("present", type_=ARRAY(Uuid)),
)
_FIRST, _LAST = UUID(int=0), UUID(int=2**128 - 1)

_FORGET: Final = text("DELETE FROM sync_absent WHERE sync_id = :sync AND file_id = ANY (:present)").bindparams(
    bindparam("sync", type_=Uuid), bindparam("present", type_=ARRAY(Uuid))
)

_MARK: Final = text("""
WITH taken AS (
    DELETE FROM sync_absent WHERE sync_id = :sync AND file_id IN (
        SELECT file_id FROM sync_absent WHERE sync_id = :sync ORDER BY file_id LIMIT :most)
    RETURNING file_id
), marked AS (
    UPDATE files SET status = 'deleted', updated_at = now() FROM taken
    WHERE files.file_id = taken.file_id AND storage_element_id = :element
        AND status <> 'deleted' AND updated_at < :started
    RETURNING files.file_id
)
SELECT (SELECT count(*) FROM taken) AS taken, (SELECT count(*) FROM marked) AS marked
""").bindparams(
    bindparam("sync", type_=Uuid),
    bindparam("element", type_=Text),
    bindparam("started", type_=DateTime(True)),
    bindparam("most", type_=BigInteger),
)

_DROP: Final = text("""
DELETE FROM files WHERE file_id IN (
    SELECT file_id FROM files WHERE storage_element_id = :element ORDER BY file_id LIMIT :most)
""").bindparams(bindparam("element", type_=Text), bindparam("most", type_=Integer))

_HAS: Final = text("SELECT EXISTS (SELECT FROM files WHERE storage_element_id = :element)")

_JSON: Final = TypeAdapter(list[HeldFile])
NOT_HELD: Final = (asyncpg.DataError, asyncpg.CheckViolationError, asyncpg.ProgramLimitExceededError)
"""What PostgreSQL says of a value that it cannot hold."""


class ElementFiles:
    """The registry's rows of one element, as a sync that began at `started` (the database's clock) may change them."""

    def __init__(self, connection: AsyncConnection, sync: UUID, storage_id: str, started: datetime) -> None:
        self._connection = connection
        self._sync, self._element, self._started = sync, storage_id, started

    async def put(self, files: Sequence[HeldFile]) -> Written:
        """One that cannot be held is looked for by halves, and left out."""
        if not files:
            return Written(0, 0, 0, 0, (), ())
        try:
            async with self._connection.begin_nested():
                return await self._put(files)
        except DBAPIError as error:
            if not isinstance(driver_error(error), NOT_HELD):
                raise
        if len(files) == 1:
            return Written(0, 0, 0, 0, (), [Refused(files[0].file_id, "PostgreSQL cannot hold it")])
        middle = len(files) // 2
        one, other = await self.put(files[:middle]), await self.put(files[middle:])
        return Written(
            one.added + other.added,
            one.updated + other.updated,
            one.deleted + other.deleted,
            one.conflicts + other.conflicts,
            [*one.examples, *other.examples],
            [*one.refused, *other.refused],
        )

    async def _put(self, files: Sequence[HeldFile]) -> Written:
        content = _JSON.dump_json(list(files)).decode()
        row = (await self._run(_PUT, files=content, element=self._element, started=self._started)).one()
        examples = [Conflict(*pair) for pair in zip(row.ids or (), row.held or (), strict=True)]
        return Written(row.added, row.updated, row.deleted, row.conflicts, examples, ())

    async def note_absent(self, after: UUID | None, until: UUID | None, present: Sequence[UUID]) -> None:
        await self._run(
            _NOTE,
            sync=self._sync,
            element=self._element,
            started=self._started,
            after=after or _FIRST,
            until=until or _LAST,
            present=list(present),
        )

    async def forget_absent(self, present: Sequence[UUID]) -> None:
        if present:
            await self._run(_FORGET, sync=self._sync, present=list(present))

    async def mark_absent(self, limit: int) -> tuple[int, int]:
        row = (await self._run(_MARK, sync=self._sync, element=self._element, started=self._started, most=limit)).one()
        return row.taken, row.marked

    async def drop(self, limit: int) -> int:
        return int((await self._run(_DROP, element=self._element, most=limit)).rowcount)

    async def _run(self, statement: Any, **values: Any) -> Any:
        return await self._connection.execute(statement, values)


async def has_files(connection: AsyncConnection, storage_id: str) -> bool:
    return bool((await connection.execute(_HAS, {"element": storage_id})).scalar_one())

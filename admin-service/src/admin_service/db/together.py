"""Files that are registered at the same time, of whatever elements: one statement for all of them."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Final
from uuid import UUID

from artstore_postgres.engine import driver_error
from pydantic import TypeAdapter
from sqlalchemy import Text, bindparam, select, text
from sqlalchemy.exc import DBAPIError
from sqlalchemy.ext.asyncio import AsyncConnection

from admin_service.db.bulk import NOT_HELD, TYPES
from admin_service.db.tables import files as table
from admin_service.db.tables import storage_elements
from admin_service.registry.files import Put, RegisteredFile

_TYPES: Final = {**TYPES, "storage_element_id": "text"}
_COLUMNS: Final = ", ".join(_TYPES)
_REPLACED: Final = [name for name in TYPES if name != "file_id"]

# In the order of their ids, as a sync writes them: who locks the same rows in the same order waits in no circle.
_PUT: Final = text(
    f"""
INSERT INTO files AS held ({_COLUMNS})
SELECT {_COLUMNS} FROM jsonb_to_recordset(CAST(:files AS text)::jsonb)
    AS given ({", ".join(f"{name} {kind}" for name, kind in _TYPES.items())})
ORDER BY file_id
ON CONFLICT (file_id) DO UPDATE
    SET {", ".join(f"{name} = excluded.{name}" for name in _REPLACED)}, updated_at = now()
    WHERE held.storage_element_id = excluded.storage_element_id AND held.revision <= excluded.revision
RETURNING held.file_id, held.xmax = 0 AS added
""".replace("::", r"\:\:")
).bindparams(bindparam("files", type_=Text))

_JSON: Final = TypeAdapter(list[RegisteredFile])


async def put_together(connection: AsyncConnection, files: Sequence[RegisteredFile]) -> list[Put]:
    """See registry.files.FileRows."""
    known = await _known(connection, {file.storage_element_id for file in files})
    done = [Put.NO_ELEMENT] * len(files)
    for turn in _turns([number for number, file in enumerate(files) if file.storage_element_id in known], files):
        for number, put in zip(turn, await _put(connection, [files[number] for number in turn]), strict=True):
            done[number] = put
    return done


def _turns(numbers: Sequence[int], files: Sequence[RegisteredFile]) -> Iterator[list[int]]:
    """One statement cannot write a row twice: a file that comes again goes into the next one."""
    left = list(numbers)
    while left:
        turn: dict[UUID, int] = {}
        for number in left:
            turn.setdefault(files[number].file_id, number)
        yield list(turn.values())
        left = [number for number in left if turn[files[number].file_id] != number]


async def _known(connection: AsyncConnection, elements: set[str]) -> set[str]:
    """Which of these elements there are. They cannot be deleted before the transaction ends."""
    query = select(storage_elements.c.storage_id).where(storage_elements.c.storage_id.in_(sorted(elements)))
    query = query.order_by(storage_elements.c.storage_id).with_for_update(read=True, key_share=True)
    return set((await connection.execute(query)).scalars())


async def _put(connection: AsyncConnection, files: Sequence[RegisteredFile]) -> list[Put]:
    """One that cannot be held is looked for by halves."""
    try:
        async with connection.begin_nested():
            return await _put_all(connection, files)
    except DBAPIError as error:
        if not isinstance(driver_error(error), NOT_HELD):
            raise
    if len(files) == 1:
        return [Put.NOT_HELD]
    middle = len(files) // 2
    return [*await _put(connection, files[:middle]), *await _put(connection, files[middle:])]


async def _put_all(connection: AsyncConnection, files: Sequence[RegisteredFile]) -> list[Put]:
    rows = await connection.execute(_PUT, {"files": _JSON.dump_json(list(files)).decode()})
    written = {row.file_id: Put.ADDED if row.added else Put.UPDATED for row in rows}
    left = [file.file_id for file in files if file.file_id not in written]
    homes = await _homes(connection, left) if left else {}
    return [
        # An older revision than the one that is held changes nothing, and is no conflict.
        written.get(file.file_id) or (Put.UPDATED if homes[file.file_id] == file.storage_element_id else Put.ELSEWHERE)
        for file in files
    ]


async def _homes(connection: AsyncConnection, file_ids: Sequence[UUID]) -> dict[UUID, str]:
    query = select(table.c.file_id, table.c.storage_element_id).where(table.c.file_id.in_(file_ids))
    return {row.file_id: row.storage_element_id for row in await connection.execute(query)}

"""What the tests of the schema share: connections in any role, and rows as plain SQL."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from typing import Any
from uuid import UUID

import asyncpg
from artstore_testing.postgres import Database

INSERT = """
INSERT INTO files (file_id, storage_element_id, original_filename, content_type, size, checksum, uploaded_by,
    uploaded_at, status, retention_policy, revision)
SELECT file_id, 'se-rw-1', 'a.pdf', 'application/pdf', size, repeat('0', 64), uploaded_by, now(), status, 'permanent', 1
FROM unnest($1::uuid[], $2::bigint[], $3::text[], $4::text[]) AS given (file_id, size, uploaded_by, status)
"""
UPSERT = (
    INSERT
    + """
ON CONFLICT (file_id) DO UPDATE SET size = excluded.size, status = excluded.status, uploaded_by = excluded.uploaded_by,
    revision = files.revision + 1
"""
)
Given = Sequence[tuple[UUID, int, str, str]]
"""File id, size, uploaded by, status."""


@asynccontextmanager
async def connected(database: Database, role: str = "artstore_owner") -> AsyncIterator[asyncpg.Connection[Any]]:
    connection = await asyncpg.connect(database.url(role))
    try:
        yield connection
    finally:
        await connection.close()


async def write(connection: asyncpg.Connection[Any], statement: str, files: Given) -> None:
    await connection.execute(statement, *(list(column) for column in zip(*files, strict=True)))


async def usage(connection: asyncpg.Connection[Any]) -> dict[str, tuple[int, int]]:
    """Principal → files, bytes; those that hold something."""
    rows = await connection.fetch("SELECT * FROM account_usage WHERE files <> 0 OR bytes <> 0")
    return {row["principal"]: (row["files"], row["bytes"]) for row in rows}


async def counted(connection: asyncpg.Connection[Any]) -> dict[str, tuple[int, int]]:
    """What usage ought to be."""
    rows = await connection.fetch(
        "SELECT uploaded_by, count(*) AS files, sum(size) AS bytes FROM files"
        " WHERE status IN ('active', 'damaged') GROUP BY 1"
    )
    return {row["uploaded_by"]: (row["files"], int(row["bytes"])) for row in rows}


async def events(connection: asyncpg.Connection[Any]) -> list[tuple[str, str]]:
    """What stands in the outbox, and takes it away."""
    rows = await connection.fetch("SELECT kind, subject FROM outbox ORDER BY transaction_id, id")
    await connection.execute("DELETE FROM outbox")
    return [(row["kind"], row["subject"]) for row in rows]

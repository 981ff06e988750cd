"""Admin's registry, which this service only reads."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from artstore_core.files import FileStatus
from artstore_core.modes import Mode
from artstore_postgres.engine import Postgres
from sqlalchemy import Row

from render_service.db.queries import query
from render_service.jobs.job import Candidate, Home, Source


def candidate(row: Row[Any]) -> Candidate:
    return Candidate(
        row.file_id, row.original_filename, row.content_type, row.checksum, FileStatus(row.status), row.expires_at
    )


class RegisteredFiles:
    """jobs.ports.Files."""

    def __init__(self, database: Postgres) -> None:
        self._database = database

    async def source(self, file_id: UUID) -> Source | None:
        async with self._database.reading() as connection:
            row = (await connection.execute(query("get_source"), {"file_id": file_id})).one_or_none()
        if row is None:
            return None
        home = Home(row.storage_id, row.url.rstrip("/"), Mode(row.mode) if row.mode else None)
        found = candidate(row)
        return Source(
            found.file_id, found.original_filename, found.content_type, found.checksum, found.status, found.expires_at,
            row.size, home,
        )  # fmt: skip

"""Rows of admin's registry as files."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any
from uuid import UUID

from artstore_core.files import File, FileStatus
from artstore_core.modes import Mode
from sqlalchemy import Row

from query_service.db.engine import Database
from query_service.db.queries import query
from query_service.files.lookup import Home, Located

_COLUMNS = tuple(File.model_fields)
_MAY_EXPIRE = frozenset({FileStatus.ACTIVE, FileStatus.DAMAGED})


def file_columns(row: Row[Any]) -> dict[str, Any]:
    """A row's columns as File has them. What has expired says so, even if nobody has written it down yet."""
    columns = {name: row._mapping[name] for name in _COLUMNS}
    expires_at = columns["expires_at"]
    if columns["status"] in _MAY_EXPIRE and expires_at is not None and expires_at <= datetime.now(UTC):
        columns["status"] = FileStatus.EXPIRED
    return columns


class FileRows:
    """files.lookup.Registry and files.download.Marks on PostgreSQL."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def get(self, file_id: UUID) -> Located | None:
        async with self._database.reading() as connection:
            row = (await connection.execute(query("get_file"), {"file_id": file_id})).one_or_none()
        if row is None:
            return None
        home = Home(row.storage_id, row.url.rstrip("/"), Mode(row.mode) if row.mode else None, row.epoch)
        return Located(File.model_validate(file_columns(row)), home)

    async def mark_deleted(self, file_id: UUID, storage_id: str) -> bool:
        """files.download.Marks."""
        async with self._database.marking() as connection:
            marked = await connection.execute(query("mark_deleted"), {"file_id": file_id, "storage_id": storage_id})
            return bool(marked.scalar_one())

    async def elements(self) -> dict[str, str]:
        """The url of every storage element, by id."""
        async with self._database.reading() as connection:
            rows = await connection.execute(query("list_elements"))
            return {row.storage_id: row.url.rstrip("/") for row in rows}

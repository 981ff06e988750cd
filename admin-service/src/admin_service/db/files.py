"""The registry of files in PostgreSQL."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any
from uuid import UUID

from artstore_core.files import FileStatus
from sqlalchemy import Row, and_, func, select, update
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncConnection

from admin_service.db.tables import files as table
from admin_service.db.tables import storage_elements
from admin_service.db.together import put_together
from admin_service.registry.files import Put, RegisteredFile

_COLUMNS = tuple(RegisteredFile.model_fields)
_REPLACED = tuple(name for name in _COLUMNS if name not in ("file_id", "storage_element_id"))


class FileTable:
    """registry.files.FileRows."""

    def __init__(self, connection: AsyncConnection) -> None:
        self._connection = connection

    async def put(self, file: RegisteredFile) -> Put:
        known = select(storage_elements.c.storage_id).where(storage_elements.c.storage_id == file.storage_element_id)
        # The share that the foreign key takes, a moment earlier: the element cannot be deleted in between.
        known = known.with_for_update(read=True, key_share=True)
        if (await self._connection.execute(known)).one_or_none() is None:
            return Put.NO_ELEMENT
        statement = insert(table).values(_values(file))
        newer = statement.on_conflict_do_update(
            index_elements=["file_id"],
            set_={name: statement.excluded[name] for name in _REPLACED} | {"updated_at": func.now()},
            where=and_(
                table.c.storage_element_id == statement.excluded.storage_element_id,
                table.c.revision <= statement.excluded.revision,
            ),
        ).returning((table.c.registered_at == table.c.updated_at).label("added"))
        row = (await self._connection.execute(newer)).one_or_none()
        if row is not None:
            return Put.ADDED if row.added else Put.UPDATED
        bound_to = select(table.c.storage_element_id).where(table.c.file_id == file.file_id)
        element = (await self._connection.execute(bound_to)).scalar_one()
        return Put.UPDATED if element == file.storage_element_id else Put.ELSEWHERE

    async def put_together(self, files: Sequence[RegisteredFile]) -> Sequence[Put]:
        return await put_together(self._connection, files)

    async def get(self, file_id: UUID) -> RegisteredFile | None:
        row = (await self._connection.execute(select(table).where(table.c.file_id == file_id))).one_or_none()
        return _file(row) if row else None

    async def mark_deleted(self, file_id: UUID, storage_element_id: str) -> bool:
        gone = (
            update(table)
            .where(table.c.file_id == file_id, table.c.storage_element_id == storage_element_id)
            .where(table.c.status != FileStatus.DELETED)
            # The element counted on as well. A registration of the file as it was, come late, brings it back to nobody.
            .values(status=FileStatus.DELETED, revision=table.c.revision + 1, updated_at=func.now())
        )
        return (await self._connection.execute(gone)).rowcount > 0

    async def page(
        self,
        *,
        storage_element_id: str | None,
        status: FileStatus | None,
        uploaded_by: str | None,
        limit: int,
        offset: int,
    ) -> tuple[Sequence[RegisteredFile], int]:
        query = select(table)
        if storage_element_id is not None:
            query = query.where(table.c.storage_element_id == storage_element_id)
        if status is not None:
            query = query.where(table.c.status == status)
        if uploaded_by is not None:
            query = query.where(table.c.uploaded_by == uploaded_by)
        total = (await self._connection.execute(select(func.count()).select_from(query.subquery()))).scalar_one()
        ordered = query.order_by(table.c.uploaded_at.desc(), table.c.file_id.desc())
        rows = await self._connection.execute(ordered.limit(limit).offset(offset))
        return [_file(row) for row in rows], total


def _values(file: RegisteredFile) -> dict[str, Any]:
    return {name: getattr(file, name) for name in _COLUMNS}


def _file(row: Row[Any]) -> RegisteredFile:
    return RegisteredFile.model_validate({name: row._mapping[name] for name in _COLUMNS})

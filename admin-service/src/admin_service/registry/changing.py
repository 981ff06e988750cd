"""Changing a registered file: first where it lies, and then here (requirement R2).

The element's word counts. What it refuses is not done; while it is away nothing changes; and where the answer is lost
between the two, the next sync brings the registry in step.
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractAsyncContextManager
from typing import Protocol
from uuid import UUID

from artstore_core.errors import Conflict, NotFound
from artstore_core.files import File, FileStatus
from pydantic import ValidationError

from admin_service.audit.log import Actor, AuditRows, Journal
from admin_service.registry.calls import ElementAnswersWrongly, ElementFiles, FileChange
from admin_service.registry.elements import ElementRows, StorageElement, get_element
from admin_service.registry.files import FileRows, Put, RegisteredFile, get_file


class Work(Protocol):
    """What these use cases keep, within one transaction."""

    @property
    def audit(self) -> AuditRows: ...
    @property
    def elements(self) -> ElementRows: ...
    @property
    def files(self) -> FileRows: ...


class ChangingFiles:
    """Raise NotFound, ElementUnreachable, and what the element refuses with: PreconditionFailed, ModeNotAllowed, …"""

    def __init__(
        self, transactions: Callable[[], AbstractAsyncContextManager[Work]], files: ElementFiles, journal: Journal
    ) -> None:
        self._transactions, self._files, self._journal = transactions, files, journal

    async def change(self, file_id: UUID, change: FileChange, by: Actor, *, if_match: str | None) -> RegisteredFile:
        element = await self._element_of(file_id)
        try:
            changed = await self._files.change_file(element, file_id, change, if_match=if_match)
        except NotFound:
            await self._gone(element, file_id, by, found=True)
            raise
        row = _row(changed, element)
        async with self._transactions() as rows:
            if await rows.files.put(row) in (Put.ELSEWHERE, Put.NO_ELEMENT):
                raise Conflict("The file was registered on another storage element meanwhile")
            await self._journal.done(
                rows.audit,
                by,
                "file.changed",
                str(file_id),
                storage_element_id=element.storage_id,
                fields=sorted(change.model_fields_set),
                revision=row.revision,
            )
            return await get_file(rows.files, file_id)

    async def delete(self, file_id: UUID, by: Actor, *, if_match: str | None) -> None:
        """A file that the element does not have any more is deleted here: perhaps the answer to the first try was lost."""
        element = await self._element_of(file_id)
        try:
            await self._files.delete_file(element, file_id, if_match=if_match)
        except NotFound:
            await self._gone(element, file_id, by, found=True)
        else:
            await self._gone(element, file_id, by, found=False)

    async def _gone(self, element: StorageElement, file_id: UUID, by: Actor, *, found: bool) -> None:
        """`found`: it was gone already."""
        async with self._transactions() as rows:
            marked = await rows.files.mark_deleted(file_id, element.storage_id)
            if marked or not found:
                await self._journal.done(
                    rows.audit,
                    by,
                    "file.deleted",
                    str(file_id),
                    storage_element_id=element.storage_id,
                    found_missing=found,
                )

    async def _element_of(self, file_id: UUID) -> StorageElement:
        async with self._transactions() as rows:
            file = await get_file(rows.files, file_id)
            if file.status is FileStatus.DELETED:
                raise NotFound("There is no such file")
            return await get_element(rows.elements, file.storage_element_id)


def _row(file: File, element: StorageElement) -> RegisteredFile:
    try:
        return RegisteredFile.model_validate({**file.model_dump(), "storage_element_id": element.storage_id})
    except ValidationError:
        raise ElementAnswersWrongly("it answered with a file that the registry cannot hold") from None

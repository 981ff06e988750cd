"""Changing and deleting a file: the element's word counts, the registry follows (requirement R2)."""

from __future__ import annotations

from typing import Any, Protocol
from uuid import UUID

from artstore_core.errors import NotFound, StorageUnavailable
from artstore_core.files import Description, File, FileStatus, Metadata, Tags
from pydantic import BaseModel, ConfigDict

from ingester_service.resumable.whereabouts import KnownElement, KnownElements, Whereabouts
from ingester_service.upload.ports import Element
from ingester_service.upload.registration import Registration


class FileChange(BaseModel):
    """A field that is given replaces the old value whole; null clears it."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    description: Description | None = None
    tags: Tags | None = None
    metadata: Metadata | None = None


class ElementFiles(Protocol):
    """A file where it lies. Both raise NotFound, PreconditionFailed, ModeNotAllowed and FileDamaged as the element says,
    StorageUnavailable where it does not answer, AdminUnavailable where no token for it could be had."""

    async def change(self, element: Element, file_id: UUID, fields: dict[str, Any], if_match: str | None) -> File: ...

    async def delete(self, element: Element, file_id: UUID, by: str, if_match: str | None) -> int:
        """Gives the revision in which it is deleted."""
        ...


class ChangingFiles:
    """The use cases behind PATCH and DELETE of `/api/v1/files/{id}`."""

    def __init__(
        self, whereabouts: Whereabouts, known: KnownElements, elements: ElementFiles, registration: Registration
    ) -> None:
        self._whereabouts, self._known = whereabouts, known
        self._elements, self._registration = elements, registration

    async def change(self, file_id: UUID, change: FileChange, if_match: str | None) -> File:
        """Raises NotFound, PreconditionFailed, ModeNotAllowed, AdminUnavailable, StorageUnavailable."""
        _, element = await self._found(file_id)
        fields = change.model_dump(mode="json", exclude_unset=True)
        file = await self._elements.change(element, file_id, fields, if_match)
        await self._registration.register(file, element.storage_id)
        return file

    async def delete(self, file_id: UUID, by: str, if_match: str | None) -> File:
        """Gives its last record. Raises as `change` does."""
        file, element = await self._found(file_id)
        revision = await self._elements.delete(element, file_id, by, if_match)
        gone = file.model_copy(update={"status": FileStatus.DELETED, "revision": revision})
        await self._registration.register(gone, element.storage_id)
        return gone

    async def _found(self, file_id: UUID) -> tuple[File, KnownElement]:
        registered = await self._whereabouts.registered(file_id)
        if registered is None or registered.file.status is FileStatus.DELETED:
            raise NotFound("There is no such file")
        for elements in (self._known.get, self._known.anew):
            for element in await elements():
                if element.storage_id == registered.storage_id:
                    return registered.file, element
        raise StorageUnavailable("The file's storage element is not known now")

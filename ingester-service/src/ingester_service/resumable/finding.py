"""From an upload's id to where it stands."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime
from typing import Final
from uuid import UUID

from artstore_core.errors import NotFound, StorageUnavailable
from artstore_core.files import File, FileStatus

from ingester_service.resumable.begun import Standing
from ingester_service.resumable.ids import may_be_on
from ingester_service.resumable.ports import Locked, Staging
from ingester_service.resumable.whereabouts import KnownElement, KnownElements

_PAUSES: Final = (0.05, 0.1, 0.2, 0.4, 0.8)
"""A client that broke off and asks at once would find its own last request still being dealt with."""


class Finding:
    def __init__(self, known: KnownElements, staging: Staging) -> None:
        self._known, self._staging = known, staging

    async def find(self, upload_id: UUID, principal: str) -> Standing:
        """Raises NotFound, for what is somebody else's too. Where the element that it should be on does not answer:
        StorageUnavailable, for a client that hears 404 throws away what it has."""
        found = await self._look(upload_id)
        owner = found.begun.owner if found.begun else found.file.uploaded_by if found.file else None
        if owner != principal or (found.file is not None and _is_gone(found.file)):
            raise no_upload()
        return found

    async def find_free(self, upload_id: UUID, principal: str) -> Standing:
        """The same, once no request is at work on it. Raises Locked as well."""
        for pause in _PAUSES:
            found = await self.find(upload_id, principal)
            if not found.busy:
                return found
            await asyncio.sleep(pause)
        raise Locked

    async def on(self, element: KnownElement, upload_id: UUID) -> Standing | None:
        return await self._staging.standing(element, upload_id)

    async def candidates(self, upload_id: UUID) -> list[KnownElement]:
        """The elements that it may be on; empty for an id that nobody gave."""
        found = [one for one in await self._known.get() if may_be_on(upload_id, one.storage_id)]
        return found or [one for one in await self._known.anew() if may_be_on(upload_id, one.storage_id)]

    async def _look(self, upload_id: UUID) -> Standing:
        away: StorageUnavailable | None = None
        for element in await self.candidates(upload_id):
            try:
                if (found := await self.on(element, upload_id)) is not None:
                    return found
            except StorageUnavailable as error:
                away = error
        raise away or no_upload()


def _is_gone(file: File) -> bool:
    return file.status is FileStatus.DELETED or file.is_expired(datetime.now(UTC))


def no_upload() -> NotFound:
    return NotFound("There is no such upload")

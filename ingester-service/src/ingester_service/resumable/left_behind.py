"""Looking for what an attempt that died may have left on an element."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Final
from uuid import UUID

from artstore_core.errors import Conflict, StorageUnavailable
from artstore_core.modes import Mode

from ingester_service.resumable.ports import Locked, Staging
from ingester_service.resumable.whereabouts import KnownElement, KnownElements
from ingester_service.upload.once import LeftFile

_AT_ONCE: Final = 8
_TAKES_NOTHING: Final = frozenset({Mode.RO, Mode.AR})


class LeftOnElements:
    """A LeftBehind. All elements are asked: the dead one told nobody which it chose."""

    def __init__(self, known: KnownElements, staging: Staging) -> None:
        self._known, self._staging = known, staging

    async def find(self, id_on: Callable[[str], UUID]) -> LeftFile | None:
        limit = asyncio.Semaphore(_AT_ONCE)

        async def on(element: KnownElement) -> LeftFile | None:
            async with limit:
                return await self._on(element, id_on(element.storage_id))

        found = await asyncio.gather(*(on(element) for element in await self._known.anew()))
        return next((file for file in found if file is not None), None)

    async def _on(self, element: KnownElement, upload_id: UUID) -> LeftFile | None:
        try:
            standing = await self._staging.standing(element, upload_id)
            if standing is None:
                return None
            if standing.file is not None:
                return LeftFile(standing.file, element.storage_id)
            await self._staging.end(element, upload_id)
        except StorageUnavailable:
            # One that takes no files has taken this one neither.
            if element.mode not in _TAKES_NOTHING:
                raise
        except Locked as error:
            raise Conflict(error.message, headers=error.headers) from error
        return None

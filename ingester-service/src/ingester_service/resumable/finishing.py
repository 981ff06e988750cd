"""The last step of every resumable upload: what it is, the file, the registry."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from contextlib import aclosing

from artstore_core.errors import FileTooLarge, Infected, TypeNotAllowed
from artstore_core.files import File, NewFile
from artstore_transfer import PIECE

from ingester_service.resumable.begun import Begun, Standing
from ingester_service.resumable.metadata import parse
from ingester_service.resumable.ports import Quota, Staging
from ingester_service.upload.inspection import Inspection
from ingester_service.upload.ports import Element
from ingester_service.upload.registration import Registration
from ingester_service.upload.service import Uploaded


class Finishing:
    """An upload whose bytes are all there becomes a file. However often: it is one file."""

    def __init__(self, staging: Staging, registration: Registration, inspection: Inspection, quota: Quota) -> None:
        self._staging, self._registration, self._inspection, self._quota = staging, registration, inspection, quota

    async def finish(self, standing: Standing, begun: Begun) -> Uploaded:
        """Raises TypeNotAllowed, Infected and FileTooLarge, and then nothing of the upload is left; and ScannerUnavailable,
        and then it is as it was."""
        element, upload_id = standing.element, standing.upload_id
        described = parse(begun.metadata)
        head = await self._head(standing)
        try:
            content_type = await self._inspection.admit(described.filename, head, lambda: self._read(standing))
        except (TypeNotAllowed, Infected, FileTooLarge):
            await self._staging.end(element, upload_id)
            await self._quota.give_back(upload_id)
            raise
        new = NewFile(
            original_filename=described.filename,
            content_type=content_type,
            uploaded_by=begun.owner,
            description=described.told.description,
            tags=described.told.tags,
            metadata=described.told.metadata,
            retention_policy=begun.retention.policy,
            ttl_days=begun.retention.ttl_days,
        )
        file = await self._staging.complete(element, upload_id, new, standing.offset)
        return await self.register(file, element)

    async def register(self, file: File, element: Element) -> Uploaded:
        """Tells admin of a file that is safe; again is harmless."""
        return Uploaded(file, await self._registration.register(file, element.storage_id))

    async def _head(self, standing: Standing) -> bytes:
        """Its first bytes, read back: they may have come in pieces, through other replicas."""
        return b"".join([piece async for piece in self._read(standing, PIECE + 1)])

    async def _read(self, standing: Standing, most: int | None = None) -> AsyncGenerator[bytes, None]:
        """Its bytes; `most` of them."""
        length = standing.offset if most is None else min(most, standing.offset)
        if not length:
            return  # a range cannot be empty
        async with aclosing(self._staging.read(standing.element, standing.upload_id, 0, length)) as source:
            async for piece in source:
                yield piece

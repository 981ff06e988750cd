"""The last step of every resumable upload: what it is, the file, the registry."""

from __future__ import annotations

from artstore_core.errors import TypeNotAllowed
from artstore_core.files import NewFile
from artstore_transfer import PIECE

from ingester_service.resumable.begun import Begun, Standing
from ingester_service.resumable.metadata import parse
from ingester_service.resumable.ports import Quota, Staging
from ingester_service.upload.registration import Registration
from ingester_service.upload.service import Uploaded
from ingester_service.upload.types import TypePolicy


class Finishing:
    """An upload whose bytes are all there becomes a file. However often: it is one file."""

    def __init__(self, staging: Staging, registration: Registration, types: TypePolicy, quota: Quota) -> None:
        self._staging, self._registration, self._types, self._quota = staging, registration, types, quota

    async def finish(self, standing: Standing, begun: Begun) -> Uploaded:
        """Raises TypeNotAllowed, and then nothing of the upload is left."""
        element, upload_id = standing.element, standing.upload_id
        described = parse(begun.metadata)
        try:
            content_type = self._types.admit(described.filename, await self._head(standing))
        except TypeNotAllowed:
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
        return Uploaded(file, await self._registration.register(file, element.storage_id))

    async def _head(self, standing: Standing) -> bytes:
        """Its first bytes, read back: they may have come in pieces, through other replicas."""
        if not standing.offset:
            return b""
        return b"".join(
            [piece async for piece in self._staging.read(standing.element, standing.upload_id, 0, PIECE + 1)]
        )

"""Taking one file in, step by step."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import aclosing
from dataclasses import dataclass
from uuid import UUID

from artstore_core.files import File, NewFile
from artstore_transfer import PIECE, pieces

from ingester_service.upload.incoming import Incoming
from ingester_service.upload.inspection import Inspection
from ingester_service.upload.placement import Placement
from ingester_service.upload.ports import Element, Elements, Staged
from ingester_service.upload.quotas import Hold
from ingester_service.upload.registration import Registration


@dataclass(frozen=True, slots=True)
class Uploaded:
    """`registered` is False for a file that is safe, and that admin has not heard of yet."""

    file: File
    registered: bool


class Uploads:
    """The use case behind `POST /api/v1/files/upload`."""

    def __init__(
        self,
        placement: Placement,
        elements: Elements,
        staged: Staged,
        registration: Registration,
        inspection: Inspection,
        *,
        hold_seconds: float,
    ) -> None:
        """`hold_seconds`: how long bytes may wait to become a whole piece, well below an element's own patience."""
        self._placement, self._elements, self._staged = placement, elements, staged
        self._registration, self._inspection = registration, inspection
        self._hold_seconds = hold_seconds

    async def receive(self, incoming: Incoming, file_id: UUID, uploaded_by: str, hold: Hold) -> Uploaded:
        """Stores the file durably and registers it. Nothing is kept of one that fails.

        `hold` is the room in the uploader's quota; where no bound was known before, it is told one here.
        """
        self._inspection.admit_name(incoming.filename)
        chunks = incoming.chunks()
        # One byte more than a piece: what is shorter is then known to be the whole file. It may take its time, for no
        # element waits for it yet.
        async with aclosing(pieces(chunks, PIECE + 1)) as beginning:
            head = await anext(beginning, b"")
        content_type = self._inspection.admit_type(incoming.filename, head)
        if len(head) <= PIECE:
            await hold.at_most(len(head))
            element, file = await self._put(incoming, file_id, head, content_type, uploaded_by)
        else:
            await hold.at_most(incoming.largest)
            element, file = await self._stage(incoming, file_id, head, chunks, content_type, uploaded_by)
        return Uploaded(file, await self._registration.register(file, element.storage_id))

    async def _put(
        self, incoming: Incoming, file_id: UUID, body: bytes, content_type: str, uploaded_by: str
    ) -> tuple[Element, File]:
        """A small file: all of it is here before an element is asked, so one request does."""
        await self._inspection.scan(incoming.filename, lambda: _chain(body))
        new = await _described(incoming, content_type, uploaded_by)
        return await self._placement.place(
            incoming.retention.mode,
            len(body),
            lambda element: self._elements.put(element, file_id, body, new, incoming.sha256),
        )

    async def _stage(
        self,
        incoming: Incoming,
        upload_id: UUID,
        head: bytes,
        rest: AsyncIterator[bytes],
        content_type: str,
        uploaded_by: str,
    ) -> tuple[Element, File]:
        """A large file: room is reserved, the bytes flow on as they come, and what follows them completes it."""
        size = incoming.size_at_most
        element, _ = await self._placement.place(
            incoming.retention.mode, size, lambda one: self._elements.reserve(one, upload_id, size)
        )
        try:
            async with aclosing(pieces(rest, patience=self._hold_seconds)) as joined:
                sent = await self._elements.append(element, upload_id, _chain(head, joined))
            await self._inspection.scan(incoming.filename, lambda: self._staged.read(element, upload_id, 0, sent))
            new = await _described(incoming, content_type, uploaded_by)
            return element, await self._elements.complete(element, upload_id, new, sent, incoming.sha256)
        except BaseException:
            await self._abort(element, upload_id)
            raise

    async def _abort(self, element: Element, upload_id: UUID) -> None:
        # Shielded: a client that goes away cancels this very request, and its half-file must go all the same.
        await asyncio.shield(self._elements.abort(element, upload_id))


async def _described(incoming: Incoming, content_type: str, uploaded_by: str) -> NewFile:
    told = await incoming.told()
    return NewFile(
        original_filename=incoming.filename,
        content_type=content_type,
        uploaded_by=uploaded_by,
        description=told.description,
        tags=told.tags,
        metadata=told.metadata,
        retention_policy=incoming.retention.policy,
        ttl_days=incoming.retention.ttl_days,
    )


async def _chain(head: bytes, rest: AsyncIterator[bytes] | None = None) -> AsyncGenerator[bytes, None]:
    yield head
    if rest is not None:
        async for piece in rest:
            yield piece

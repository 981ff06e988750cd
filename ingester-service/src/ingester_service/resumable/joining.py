"""One file of several partial uploads (tus 1.0.0, "Concatenation").

Where the parts lie together on an element of the right mode, it joins them by itself. Else they are copied to one, and
removed once the file is safe. The new upload's id follows from those of the parts, so the same request again, for an
answer that was lost or a replica that was killed in the middle, goes on with the same upload and makes one file.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import suppress
from dataclasses import replace
from typing import Final
from uuid import UUID

from artstore_core.errors import ArtStoreError, NotFound, StorageFull, StorageUnavailable, ValidationFailed

from ingester_service.resumable.begun import Begun, Kind, Standing
from ingester_service.resumable.finding import Finding
from ingester_service.resumable.finishing import Finishing
from ingester_service.resumable.ids import joined_id
from ingester_service.resumable.metadata import parse
from ingester_service.resumable.parallel import together
from ingester_service.resumable.ports import Quota, Staging
from ingester_service.resumable.service import Progress, too_large
from ingester_service.resumable.whereabouts import KnownElement
from ingester_service.upload.placement import ElementList, Placement
from ingester_service.upload.ports import Element, Full, Refused
from ingester_service.upload.types import TypePolicy

MAX_PARTS: Final = 1000
"""What fits into one header."""
_AT_ONCE: Final = 8
_LIKELY: Final = 2


class Joining:
    """`max_bytes` limits the whole."""

    def __init__(
        self,
        placement: Placement,
        writable: ElementList,
        staging: Staging,
        finding: Finding,
        finishing: Finishing,
        types: TypePolicy,
        quota: Quota,
        *,
        max_bytes: int,
    ) -> None:
        self._placement, self._writable, self._staging = placement, writable, staging
        self._finding, self._finishing, self._types, self._quota = finding, finishing, types, quota
        self._max_bytes = max_bytes

    async def join(self, begun: Begun, parts: Sequence[UUID]) -> Progress:
        """Raises ValidationFailed for what is no finished partial upload of this principal, FileTooLarge, Locked,
        TypeNotAllowed, StorageFull, NoStorageAvailable."""
        if not 0 < len(parts) <= MAX_PARTS or len(set(parts)) != len(parts):
            raise _refused(f"must name 1 to {MAX_PARTS} uploads, each once")
        self._types.admit_name(parse(begun.metadata).filename)
        found = await self._found(begun, parts)
        if found is None:
            return await self._begun_before(begun, parts)
        total = sum(part.offset for part in found)
        if total > self._max_bytes:
            raise too_large(self._max_bytes)
        for part in found:
            # Never set aside twice, or nobody could use the last half of a quota.
            await self._quota.give_back(part.upload_id)
        return await self._finished(await self._joined(begun, found, total), begun, parts)

    async def _found(self, begun: Begun, parts: Sequence[UUID]) -> list[Standing] | None:
        """None where one of them is not there (any more)."""
        limit = asyncio.Semaphore(_AT_ONCE)

        async def one(part: UUID) -> Standing | None:
            async with limit:
                try:
                    return await self._finding.find_free(part, begun.owner)
                except NotFound:
                    return None

        found = await asyncio.gather(*(one(part) for part in parts))
        there = [part for part in found if part is not None]
        for part in there:
            if part.begun is None or part.begun.kind is not Kind.PARTIAL:
                raise _refused("names an upload that is not partial")
            if not part.is_whole:
                raise _refused("names an upload that is not finished")
        return there if len(there) == len(parts) else None

    async def _joined(self, begun: Begun, parts: list[Standing], total: int) -> Standing:
        """All their bytes, as one upload."""
        home = parts[0].element
        if home.mode is begun.retention.mode and all(part.element.storage_id == home.storage_id for part in parts):
            return await self._joined_at_home(home, begun, parts, total)
        return await self._copied(begun, parts, total)

    async def _joined_at_home(self, home: KnownElement, begun: Begun, parts: list[Standing], total: int) -> Standing:
        ids = [part.upload_id for part in parts]
        upload_id = joined_id(ids, home.storage_id)
        await self._quota.reserve(begun.owner, upload_id, total)
        try:
            await self._staging.reserve(home, upload_id, total, begun.context())
        except Full as refusal:
            raise StorageFull("The storage element has no room to join these uploads") from refusal
        except Refused as refusal:
            raise StorageUnavailable("The storage element cannot join these uploads now") from refusal
        await self._staging.concatenate(home, upload_id, ids)
        return Standing(upload_id, home, total, total, begun)

    async def _copied(self, begun: Begun, parts: list[Standing], total: int) -> Standing:
        ids = [part.upload_id for part in parts]

        async def offer(element: Element) -> tuple[UUID, int]:
            upload_id = joined_id(ids, element.storage_id)
            await self._quota.reserve(begun.owner, upload_id, total)
            return upload_id, await self._staging.reserve(element, upload_id, total, begun.context())

        element, (upload_id, offset) = await self._placement.place(
            begun.retention.mode, total, offer, order=together(str(ids[0]))
        )
        target = KnownElement(element.storage_id, element.url, element.available_bytes, begun.retention.mode)
        end = await self._staging.append(target, upload_id, offset, self._bytes(parts, offset))
        return Standing(upload_id, target, end, total, begun)

    async def _bytes(self, parts: Sequence[Standing], start: int) -> AsyncIterator[bytes]:
        """Of all parts, from there on."""
        for part in parts:
            if start < part.offset:
                async for piece in self._staging.read(part.element, part.upload_id, start, part.offset - start):
                    yield piece
            start = max(0, start - part.offset)

    async def _begun_before(self, begun: Begun, parts: Sequence[UUID]) -> Progress:
        """Parts are gone once they are joined. Raises ValidationFailed where that is not why."""
        likely = together(str(parts[0]))(await self._writable.get(begun.retention.mode), 0)[:_LIKELY]
        known = [KnownElement(one.storage_id, one.url, one.available_bytes) for one in likely]
        for element in [*await self._finding.candidates(parts[0]), *known]:
            standing = await self._finding.on(element, joined_id(parts, element.storage_id))
            if standing is None:
                continue
            if standing.file is not None and standing.file.uploaded_by == begun.owner:
                await self._finishing.register(standing.file, standing.element)
                return Progress(standing)
            if standing.begun is not None and standing.begun.owner == begun.owner and standing.is_whole:
                return await self._finished(standing, standing.begun, parts)
        raise _refused("names an upload that is not there")

    async def _finished(self, standing: Standing, begun: Begun, parts: Sequence[UUID]) -> Progress:
        uploaded = await self._finishing.finish(standing, begun)
        await self._remove(parts, begun.owner)
        return Progress(replace(standing, file=uploaded.file, begun=None), uploaded)

    async def _remove(self, parts: Sequence[UUID], owner: str) -> None:
        """Those that were copied; the others are gone."""
        for part in parts:
            with suppress(ArtStoreError):  # what stays expires by itself
                found = await self._finding.find(part, owner)
                await self._staging.end(found.element, part)


def _refused(reason: str) -> ValidationFailed:
    return ValidationFailed("These uploads cannot be joined", details={"Upload-Concat": reason})

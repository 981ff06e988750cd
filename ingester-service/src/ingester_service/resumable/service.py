"""Resumable uploads, step by step. Nothing is remembered here between two requests."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Callable
from contextlib import aclosing, suppress
from dataclasses import dataclass, replace
from uuid import UUID

from artstore_core.errors import ArtStoreError, Conflict, FileTooLarge, Forbidden
from artstore_transfer import pieces

from ingester_service.parts.sizes import part_size_of
from ingester_service.resumable.begun import Begun, Kind, Standing
from ingester_service.resumable.finding import Finding
from ingester_service.resumable.finishing import Finishing
from ingester_service.resumable.ids import id_on
from ingester_service.resumable.metadata import parse
from ingester_service.resumable.parallel import period_key, together
from ingester_service.resumable.ports import Checksum, OtherOffset, Quota, Staging
from ingester_service.upload.placement import Placement
from ingester_service.upload.ports import Element
from ingester_service.upload.service import Uploaded
from ingester_service.upload.types import TypePolicy

_LONGEST_HOLD = 1.0
"""Seconds. The element hears of a slow client at least so often, and takes a silent one for gone soon after."""


@dataclass(frozen=True, slots=True)
class Body:
    """What a request brings: `length` in bytes where the client said it."""

    chunks: AsyncIterator[bytes]
    length: int | None = None
    checksum: Checksum | None = None


@dataclass(frozen=True, slots=True)
class Progress:
    """Where an upload stands after a request; `uploaded` once it is a file."""

    standing: Standing
    uploaded: Uploaded | None = None

    @property
    def registered(self) -> bool:
        """False for a file that admin has not heard of yet."""
        return self.uploaded is None or self.uploaded.registered


class ResumableUploads:
    """The use cases behind `/api/v1/uploads`. `max_bytes` limits one upload."""

    def __init__(
        self,
        placement: Placement,
        staging: Staging,
        finding: Finding,
        finishing: Finishing,
        types: TypePolicy,
        quota: Quota,
        *,
        max_bytes: int,
        hold_seconds: float,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self._placement, self._staging, self._finding, self._finishing = placement, staging, finding, finishing
        self._types, self._quota, self._clock = types, quota, clock
        self.max_bytes, self._hold_seconds = max_bytes, min(hold_seconds, _LONGEST_HOLD)

    async def begin(
        self, begun: Begun, size: int | None, body: Body | None = None, *, base: UUID | None = None
    ) -> Progress:
        """`size` is None where the client does not know it yet; `body` are the first bytes, or all of them; the upload's
        id follows from `base` where one is given.

        Raises TypeNotAllowed, FileTooLarge, QuotaExceeded, AdminUnavailable, NoStorageAvailable, StorageFull; and what
        `append` raises, and then nothing is left of the upload, for its client was never told of it.
        """
        # Partial ones too, where they have a name: its whole would else be refused when all of it was sent.
        self._types.admit_name(parse(begun.metadata).filename)
        self._check_size(size)
        order = together(period_key(begun.owner, self._clock())) if begun.kind is Kind.PARTIAL else None
        _, upload_id = await self._placement.place(
            begun.retention.mode, size, lambda element: self._offer(element, begun, size, base), order=order
        )
        try:
            if body is not None:
                return await self.append(upload_id, begun.owner, 0, body)
            standing = await self._finding.find(upload_id, begun.owner)
            return await self._finished_if_whole(standing)
        except BaseException:
            # Shielded: a client that goes away may cancel this very request.
            await asyncio.shield(self._forget(upload_id, begun.owner))
            raise

    async def stand(self, upload_id: UUID, principal: str) -> Standing:
        """Raises NotFound."""
        return await self._finding.find(upload_id, principal)

    async def settle(self, upload_id: UUID, principal: str) -> Progress:
        """Where a client goes on from. One that has all its bytes and is no file yet (whoever received the last of them
        was killed) becomes one first: its client will not come again. Raises NotFound, Locked, TypeNotAllowed, and Conflict
        for an upload in parts."""
        standing = await self._finding.find_free(upload_id, principal)
        _check_in_order(standing)
        return await self._finished_if_whole(standing)

    async def append(
        self, upload_id: UUID, principal: str, offset: int, body: Body, *, size: int | None = None
    ) -> Progress:
        """Adds a body at `offset`; what came of one that broke off is kept, unless it has a checksum. `size` tells the
        upload's length where that was not known.

        Raises NotFound, Forbidden, Locked, OtherOffset, FileTooLarge, StorageFull, ChecksumMismatch, TypeNotAllowed, and
        what the body raises, once what came is safe.
        """
        standing = await self._finding.find_free(upload_id, principal)
        _check_in_order(standing)
        if standing.begun is not None and standing.begun.kind is Kind.FINAL:
            raise Forbidden("A final upload takes no bytes of its own")
        if offset != standing.offset:
            raise OtherOffset("The upload ends elsewhere", headers={"Upload-Offset": str(standing.offset)})
        if standing.file is not None:
            return await self._finished_if_whole(standing)
        standing = await self._sized(standing, size)
        most = self.max_bytes if standing.size is None else standing.size
        if body.length is not None and offset + body.length > most:
            raise too_large(most)
        kept = _Kept(body.chunks, most - offset)
        room = offset + (body.length or 0) if standing.size is None else standing.size
        async with (
            self._quota.kept(principal, upload_id, room),
            aclosing(pieces(kept.chunks(), patience=self._hold_seconds)) as joined,
        ):
            end = await self._staging.append(standing.element, upload_id, offset, joined, body.checksum)
        if isinstance(kept.failure, FileTooLarge):
            raise kept.failure
        progress = await self._finished_if_whole(replace(standing, offset=end))
        if kept.failure is not None:
            raise kept.failure
        return progress

    async def end(self, upload_id: UUID, principal: str) -> None:
        """Raises NotFound, Locked, and Conflict for what is a file by now."""
        standing = await self._finding.find(upload_id, principal)
        if standing.begun is None or standing.begun.kind is not Kind.PARTS:
            # Of parts that are on their way the element itself knows which are dead.
            standing = await self._finding.find_free(upload_id, principal)
        if standing.file is not None:
            raise Conflict("The upload is complete: it is a file now, and deleted as one")
        await self._staging.end(standing.element, upload_id)
        await self._quota.give_back(upload_id)

    async def _offer(self, element: Element, begun: Begun, size: int | None, base: UUID | None) -> UUID:
        upload_id = id_on(element.storage_id, base)
        await self._quota.reserve(begun.owner, upload_id, size or 0)
        part_size = part_size_of(size or 0) if begun.kind is Kind.PARTS else None
        try:
            await self._staging.reserve(element, upload_id, size, begun.context(), part_size)
        except BaseException:
            await self._quota.give_back(upload_id)
            raise
        return upload_id

    async def _sized(self, standing: Standing, size: int | None) -> Standing:
        if size is None or size == standing.size:
            return standing
        if standing.size is not None:
            raise Conflict("The upload's length is known, and is another one")
        self._check_size(size)
        if size < standing.offset:
            raise Conflict("The upload is longer than that already")
        if standing.begun is not None:
            await self._quota.reserve(standing.begun.owner, standing.upload_id, size)
        await self._staging.give_size(standing.element, standing.upload_id, size)
        return replace(standing, size=size)

    async def _finished_if_whole(self, standing: Standing) -> Progress:
        begun = standing.begun
        if standing.file is not None:
            # Once more: whoever made it a file may have died before admin heard of it.
            await self._finishing.register(standing.file, standing.element)
        if begun is None or begun.kind in (Kind.PARTIAL, Kind.PARTS) or not standing.is_whole:
            return Progress(standing)
        uploaded = await self._finishing.finish(standing, begun)
        return Progress(replace(standing, file=uploaded.file, begun=None), uploaded)

    async def _forget(self, upload_id: UUID, principal: str) -> None:
        with suppress(ArtStoreError):  # what cannot be reached now expires by itself
            await self.end(upload_id, principal)

    def _check_size(self, size: int | None) -> None:
        if size is not None and size > self.max_bytes:
            raise too_large(self.max_bytes)


class _Kept:
    """A body of `most` bytes, up to where it fails: what came before that is worth keeping. `failure` is why."""

    def __init__(self, chunks: AsyncIterator[bytes], most: int) -> None:
        self._chunks, self._most = chunks, most
        self.failure: Exception | None = None

    async def chunks(self) -> AsyncIterator[bytes]:
        left = self._most
        try:
            async for chunk in self._chunks:
                left -= len(chunk)
                if left < 0:
                    raise too_large(self._most)
                yield chunk
        except Exception as error:  # noqa: BLE001  raised again by whoever reads this to the end
            self.failure = error


def _check_in_order(standing: Standing) -> None:
    if standing.begun is not None and standing.begun.kind is Kind.PARTS:
        raise Conflict("This upload takes its bytes as signed parts, not by tus")


def too_large(most: int) -> FileTooLarge:
    return FileTooLarge(f"The upload would be larger than {most} bytes")

"""Resumable uploads: reserved, appended to at the measured end, completed or aborted."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from artstore_core.errors import (
    ArtStoreError,
    Conflict,
    FileTooLarge,
    NotFound,
    StorageFull,
)
from artstore_core.modes import Operation

from storage_element.store.capacity import Capacity, Hold
from storage_element.store.element import Element
from storage_element.store.files import Keeper, Kept, checksum_mismatch, grow_hold
from storage_element.store.locks import KeyedLocks
from storage_element.store.ports import Clock, Disk, Found, Index, Writer
from storage_element.store.receive import Body, Receiver, too_large
from storage_element.store.records import IncomingFile, record_of
from storage_element.store.workers import Workers


@dataclass(frozen=True, slots=True)
class NewAgreement:
    """Fulfils `store.ports.Agreement`."""

    upload_id: UUID
    size: int | None
    created_at: datetime


@dataclass(frozen=True, slots=True)
class Reserved:
    """Where an upload stands; `new` unless it was begun before."""

    offset: int
    new: bool


@dataclass(slots=True)
class Upload:
    """What is remembered of an upload between requests; its offset is not: that is measured."""

    size: int | None
    created_at: datetime
    hold: Hold
    busy: bool = False
    hash_so_far: Any = None

    @contextlib.contextmanager
    def alone(self) -> Iterator[None]:
        if self.busy:
            raise Conflict("Another request is working on this upload.", headers={"Retry-After": "1"})
        self.busy = True
        try:
            yield
        finally:
            self.busy = False


class Uploads:
    """Use cases on uploads. `max_request_bytes` limits one append, `max_file_bytes` the file."""

    def __init__(
        self,
        disk: Disk,
        index: Index,
        element: Element,
        capacity: Capacity,
        keeper: Keeper,
        workers: Workers,
        now: Clock,
        max_request_bytes: int,
        max_file_bytes: int,
    ) -> None:
        self._disk, self._index, self._element, self._capacity = disk, index, element, capacity
        self._keeper, self._workers, self._now = keeper, workers, now
        self._max_request_bytes, self._max_file_bytes = max_request_bytes, max_file_bytes
        self._uploads: dict[UUID, Upload] = {}
        self._one_at_a_time = KeyedLocks()
        element.on_open(self._found)

    async def reserve(self, upload_id: UUID, size: int | None) -> Reserved:
        """Begins an upload and keeps room for `size` bytes; once more, for an answer that was lost, changes nothing.

        Raises FileTooLarge, StorageFull, and Conflict for an id that is taken.
        """
        await self._element.admit(Operation.UPLOAD)
        if size is not None and size > self._max_file_bytes:
            raise too_large(self._max_file_bytes)
        async with self._one_at_a_time(upload_id):
            if (there := self._uploads.get(upload_id)) is not None:
                if there.size != size:
                    raise Conflict("This upload was begun with another size.")
                return Reserved(await self._workers.run(self._disk.measure_upload, upload_id), new=False)
            if await self._keeper.find(upload_id) is not None:
                raise Conflict("A file with this id exists.")
            disk = await self._workers.look(self._disk.usage)
            await self._begin(upload_id, size, self._capacity.hold(size or 0, self._index.used_bytes, disk))
            return Reserved(0, new=True)

    async def offset(self, upload_id: UUID) -> tuple[int, int | None]:
        """The bytes that are there, and the most that there may be. Raises NotFound."""
        await self._element.admit(Operation.UPLOAD)
        upload = self._get(upload_id)
        return await self._workers.run(self._disk.measure_upload, upload_id), upload.size

    async def append(self, upload_id: UUID, offset: int, body: Body) -> int:
        """Adds a body at `offset`, which must be where the upload ends; gives where it ends now.

        Raises NotFound, Conflict, FileTooLarge and StorageFull; a refused body leaves nothing. Of a body that breaks
        off, what came stays, so that the client can go on from there.
        """
        await self._element.admit(Operation.UPLOAD)
        upload = self._get(upload_id)
        with upload.alone():
            writer = await self._workers.run(self._disk.resume_upload, upload_id, upload.hash_so_far)
            try:
                if writer.size != offset:
                    raise Conflict("The upload ends elsewhere.", headers={"Upload-Offset": str(writer.size)})
                await self._receive(upload, writer, body)
            finally:
                upload.hash_so_far = writer.running()
                await self._workers.run(writer.close)
            return writer.size

    async def complete(
        self, upload_id: UUID, incoming: IncomingFile, *, size: int | None, checksum: str | None
    ) -> Kept:
        """Makes the file, whose id is the upload's. Once more, for an answer that was lost, gives the same file.

        Raises NotFound, Conflict when the upload does not hold `size` bytes, and ChecksumMismatch, which ends it.
        """
        await self._element.admit(Operation.UPLOAD)
        if upload_id not in self._uploads:
            return await self._completed_before(upload_id, checksum)
        upload = self._get(upload_id)
        with upload.alone():
            writer = await self._workers.run(self._disk.resume_upload, upload_id, upload.hash_so_far)
            kept = None
            try:
                kept = await self._keep(upload_id, writer, incoming, size, checksum)
            finally:
                if kept is None or not kept.new:
                    await self._workers.run(writer.close)
            await self._forget(upload_id)
            return kept

    async def abort(self, upload_id: UUID) -> None:
        """Forgets an upload; one that is not there is forgotten already. Raises Conflict while it is being written."""
        await self._element.admit(Operation.UPLOAD)
        if (upload := self._uploads.get(upload_id)) is not None:
            with upload.alone():
                await self._forget(upload_id)

    async def remove_idle(self, since: datetime, report: Callable[[UUID, int], None]) -> None:
        """Removes uploads that received nothing since then and gives their room back; tells of each, with its bytes.

        An upload that a request is working on stays. Raises StorageUnavailable, and then may have removed some.
        """
        await self._element.probe()
        for upload_id, upload in list(self._uploads.items()):
            # Looked at before it is locked: beside one that goes on nobody is told that somebody else is at work.
            if await self._is_idle(upload_id, upload, since):
                async with self._one_at_a_time(upload_id):
                    await self._remove_if_idle(upload_id, since, report)

    async def _remove_if_idle(self, upload_id: UUID, since: datetime, report: Callable[[UUID, int], None]) -> None:
        upload = self._uploads.get(upload_id)
        if upload is None or upload.busy:
            return
        with upload.alone():
            async with self._element.changing():
                if not await self._is_idle(upload_id, upload, since):
                    return
                await self._forget(upload_id)
        report(upload_id, upload.hold.written)

    async def _is_idle(self, upload_id: UUID, upload: Upload, since: datetime) -> bool:
        try:
            return await self._workers.look(self._disk.last_received, upload_id) < since
        except NotFound:
            return upload.created_at < since

    async def _begin(self, upload_id: UUID, size: int | None, hold: Hold) -> None:
        agreement = NewAgreement(upload_id, size, self._now())
        upload = self._uploads[upload_id] = Upload(size, agreement.created_at, hold)
        try:
            with upload.alone():
                async with self._element.changing():
                    await self._workers.run(self._disk.begin_upload, agreement)
        except BaseException:
            self._uploads.pop(upload_id, None)
            self._capacity.release(hold)
            raise

    async def _receive(self, upload: Upload, writer: Writer, body: Body) -> None:
        most = min(self._max_file_bytes if upload.size is None else upload.size, writer.size + self._max_request_bytes)
        if body.length is not None and writer.size + body.length > most:
            raise too_large(most)

        async def grow(size: int) -> None:
            await grow_hold(self._capacity, upload.hold, size, self._index, self._disk, self._workers)

        if body.length is not None:
            # Room for the whole body before its first byte, where the reservation did not say.
            await self._hold_ahead(upload, writer.size + body.length)
        try:
            await Receiver(writer, self._workers, most=most, grow=grow).take(body.source)
        except (FileTooLarge, StorageFull):
            await self._workers.run(writer.take_back)
            raise
        finally:
            upload.hold.written = writer.size
            await self._workers.run(writer.flush)

    async def _hold_ahead(self, upload: Upload, size: int) -> None:
        if size > upload.hold.size:
            disk = await self._workers.look(self._disk.usage)
            self._capacity.grow(upload.hold, size, self._index.used_bytes, disk)

    async def _keep(
        self, upload_id: UUID, writer: Writer, incoming: IncomingFile, size: int | None, checksum: str | None
    ) -> Kept:
        if size is not None and size != writer.size:
            raise Conflict("The upload is not complete.", headers={"Upload-Offset": str(writer.size)})
        measured = await self._workers.run(writer.checksum)
        if checksum is not None and checksum != measured:
            await self._forget(upload_id)
            raise checksum_mismatch()
        record = record_of(upload_id, incoming, size=writer.size, checksum=measured, now=self._now())
        return await self._keeper.keep(writer, record)

    async def _completed_before(self, upload_id: UUID, checksum: str | None) -> Kept:
        file = await self._keeper.find(upload_id)
        if file is None:
            raise _no_upload()
        return await self._keeper.settle(file, checksum)

    async def _forget(self, upload_id: UUID) -> None:
        upload = self._uploads.pop(upload_id, None)
        if upload is not None:
            await self._workers.run(self._disk.forget_upload, upload_id)
            self._capacity.release(upload.hold)

    def _get(self, upload_id: UUID) -> Upload:
        upload = self._uploads.get(upload_id)
        if upload is None:
            raise _no_upload()
        return upload

    def _found(self, found: Found) -> None:
        """Takes over what the disk holds; requests that are under way keep what they have."""
        for upload in self._uploads.values():
            self._capacity.release(upload.hold)
        before, self._uploads = self._uploads, {}
        for agreement, written in found.uploads:
            known = before.get(agreement.upload_id)
            hold = self._capacity.hold_existing(agreement.size or 0, written)
            if known is not None:
                known.hold = hold
            self._uploads[agreement.upload_id] = known or Upload(agreement.size, agreement.created_at, hold)


def _no_upload() -> ArtStoreError:
    return NotFound("There is no such upload.")

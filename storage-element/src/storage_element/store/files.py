"""Files: stored in one request, found, listed, opened."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from uuid import UUID

from artstore_core.errors import ChecksumMismatch, Conflict, FileDamaged, NotFound
from artstore_core.files import Attributes, File, FileStatus
from artstore_core.modes import Operation
from artstore_core.pages import Page

from storage_element.store.capacity import Capacity, Hold
from storage_element.store.element import Element
from storage_element.store.index import as_of
from storage_element.store.locks import KeyedLocks
from storage_element.store.ports import Clock, Disk, Index, Reader, Writer
from storage_element.store.receive import Body, Receiver, too_large
from storage_element.store.records import IncomingFile, record_of
from storage_element.store.workers import Workers


@dataclass(frozen=True, slots=True)
class Kept:
    """A file that is safe; `new` unless it was there before."""

    file: File
    new: bool


class Keeper:
    """The last step of every upload, one at a time for each id: commit, or find that the file is there already."""

    def __init__(self, disk: Disk, index: Index, element: Element, workers: Workers) -> None:
        self._disk, self._index, self._element, self._workers = disk, index, element, workers
        self._one_at_a_time = KeyedLocks()

    async def keep(self, writer: Writer, record: Attributes) -> Kept:
        """Acknowledge what this returns, and nothing else. Raises Conflict for an id that other bytes have.

        The writer is closed when the file is new, and left to the caller otherwise.
        """
        async with self._one_at_a_time(record.file_id):
            if (there := await self.find(record.file_id)) is not None:
                return await self.settle(there, record.checksum)
            async with self._element.changing():
                await self._workers.run(self._disk.commit, writer, record)
                file = record.public()
                self._index.add(file)
            return Kept(file, new=True)

    async def find(self, file_id: UUID) -> File | None:
        try:
            return (await self._workers.look(self._disk.attributes, file_id)).public()
        except NotFound:
            return None

    async def settle(self, there: File, checksum: str | None) -> Kept:
        """The same upload once more is the same file; anything else under its id is refused."""
        if checksum is not None and checksum != there.checksum:
            raise Conflict("A file with this id and other bytes exists.")
        await self._workers.run(self._disk.confirm, there.file_id)
        if self._index.get(there.file_id) is None:
            self._index.add(there)
        return Kept(there, new=False)


class Files:
    """Use cases on single files. `max_bytes` is the most that one request may bring."""

    def __init__(
        self,
        disk: Disk,
        index: Index,
        element: Element,
        capacity: Capacity,
        keeper: Keeper,
        workers: Workers,
        now: Clock,
        max_bytes: int,
    ) -> None:
        self._disk, self._index, self._element, self._capacity = disk, index, element, capacity
        self._keeper, self._workers, self._now, self._max_bytes = keeper, workers, now, max_bytes

    async def put(self, file_id: UUID, incoming: IncomingFile, body: Body, checksum: str | None) -> Kept:
        """Stores a file whole. `checksum` is what the client says its SHA-256 is.

        Raises FileTooLarge, StorageFull, ChecksumMismatch and Conflict; then nothing of it stays on the disk.
        """
        await self._element.admit(Operation.UPLOAD)
        if body.length is not None and body.length > self._max_bytes:
            raise too_large(self._max_bytes)
        # Now, so that what cannot be kept is refused before its bytes arrive.
        record_of(file_id, incoming, size=0, checksum="0" * 64, now=self._now())
        async with self._room(body.length or 0) as hold:
            writer = await self._workers.run(self._disk.new_writer)
            kept = None
            try:
                kept = await self._receive(writer, file_id, incoming, body, checksum, hold)
            finally:
                if kept is None or not kept.new:
                    await self._workers.run(self._disk.discard, writer)
            return kept

    async def get(self, file_id: UUID) -> File:
        """Raises NotFound for a file that is expired, too, and FileDamaged for one whose record is lost."""
        await self._element.admit(Operation.METADATA)
        return (await self._readable(file_id)).public()

    @asynccontextmanager
    async def opened(self, file_id: UUID) -> AsyncIterator[tuple[File, Reader]]:
        """The file and its bytes, open as long as the block runs. Raises NotFound, FileDamaged."""
        await self._element.admit(Operation.DOWNLOAD)
        record = await self._readable(file_id)
        reader = await self._workers.run(self._disk.open, record)
        try:
            yield record.public(), reader
        finally:
            await self._workers.run(reader.close)

    async def page(self, *, limit: int, offset: int, after: UUID | None, status: FileStatus | None) -> Page[File]:
        """Files by id. With `after`, those behind it: a walk by key misses nothing, whatever is added meanwhile."""
        await self._element.admit(Operation.LIST)
        items, total, has_more = self._index.page(
            limit=limit, offset=offset, after=after, status=status, now=self._now()
        )
        return Page(items=items, total=total, limit=limit, offset=offset, has_more=has_more)

    async def _receive(
        self, writer: Writer, file_id: UUID, incoming: IncomingFile, body: Body, checksum: str | None, hold: Hold
    ) -> Kept:
        async def grow(size: int) -> None:
            await grow_hold(self._capacity, hold, size, self._index, self._disk, self._workers)

        await Receiver(writer, self._workers, most=self._max_bytes, grow=grow).take(body.source)
        measured = await self._workers.run(writer.checksum)
        if checksum is not None and checksum != measured:
            raise checksum_mismatch()
        record = record_of(file_id, incoming, size=writer.size, checksum=measured, now=self._now())
        return await self._keeper.keep(writer, record)

    @asynccontextmanager
    async def _room(self, size: int) -> AsyncIterator[Hold]:
        disk = await self._workers.look(self._disk.usage)
        hold = self._capacity.hold(size, self._index.used_bytes, disk)
        try:
            yield hold
        finally:
            self._capacity.release(hold)

    async def _readable(self, file_id: UUID) -> Attributes:
        try:
            record = await self._workers.look(self._disk.attributes, file_id)
        except NotFound:
            if self._index.get(file_id) is not None:
                raise FileDamaged("The file's record is missing.") from None
            raise
        if as_of(record, self._now()).status is not FileStatus.ACTIVE:
            raise NotFound("There is no such file.")
        return record


async def grow_hold(capacity: Capacity, hold: Hold, size: int, index: Index, disk: Disk, workers: Workers) -> None:
    """Room for `size` bytes of an upload in all; asks the disk only when that is more than was promised."""
    if size > hold.size:
        capacity.grow(hold, size, index.used_bytes, await workers.look(disk.usage))
    hold.written = size


def checksum_mismatch() -> ChecksumMismatch:
    return ChecksumMismatch("The bytes that arrived are not those that the digest names.")

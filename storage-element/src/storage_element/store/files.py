"""Files: stored in one request, found, listed, opened, changed, deleted."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass
from hashlib import sha256
from uuid import UUID

from artstore_core.errors import ChecksumMismatch, Gone, ModeNotAllowed, StorageUnavailable
from artstore_core.files import Attributes, File, FileStatus
from artstore_core.modes import Operation
from artstore_core.pages import Page
from artstore_kit.spans import span

from storage_element.store import decisions
from storage_element.store.capacity import Capacity, Hold, Room
from storage_element.store.changes import INLINE_BYTES, Change
from storage_element.store.decisions import Kept, Matches
from storage_element.store.element import Element
from storage_element.store.keeper import Keeper, file_of
from storage_element.store.openings import Opened, Openings
from storage_element.store.ports import Clock, Disk, Index, Reader, Usage, Writer
from storage_element.store.receive import Body, Receiver, collect, too_large
from storage_element.store.records import IncomingFile, Update, record_of
from storage_element.store.workers import Workers


@dataclass(frozen=True, slots=True)
class Changes:
    """A page of the change feed. `sequence` is that of the last change there is, within `epoch`."""

    epoch: UUID
    items: list[tuple[int, File]]
    sequence: int
    has_more: bool


class Files:
    """Use cases on single files. `max_bytes` is the most that one request may bring."""

    def __init__(
        self,
        disk: Disk,
        element: Element,
        capacity: Capacity,
        keeper: Keeper,
        workers: Workers,
        now: Clock,
        max_bytes: int,
    ) -> None:
        self._disk, self._element, self._capacity = disk, element, capacity
        self._keeper, self._workers, self._now, self._max_bytes = keeper, workers, now, max_bytes
        self._openings = Openings(disk, keeper, workers, now)

    async def put(self, file_id: UUID, incoming: IncomingFile, body: Body, checksum: str | None) -> Kept:
        """Stores a file whole. `checksum` is what the client says its SHA-256 is.

        Raises FileTooLarge, StorageFull, ChecksumMismatch and Conflict; then nothing of it stays on the disk.
        """
        usage = await self._element.admit(Operation.UPLOAD, needs_room=True)
        if body.length is not None and body.length > self._max_bytes:
            raise too_large(self._max_bytes)
        if body.length is not None and body.length <= INLINE_BYTES:
            # Until the next checkpoint the log has the body as well.
            with self._room(body.length, Room.of(usage, body.length)):
                return await self._put_small(file_id, incoming, body, checksum)
        with self._room(body.length or 0, usage) as hold:
            return await self._put_large(file_id, incoming, body, checksum, hold)

    async def update(self, file_id: UUID, given: Update, matches: Matches) -> File:
        """Raises NotFound, PreconditionFailed."""
        await self._element.admit(Operation.UPDATE)

        def decide(there: Attributes | None) -> Change:
            self._element.check_mode(Operation.UPDATE)
            return decisions.update(there, given, matches, self._now())

        return file_of(await self._element.submit(file_id, decide))

    async def delete(self, file_id: UUID, by: str, matches: Matches) -> File:
        """From now on there is no such file; its bytes go with the next garbage collection. Gives its last revision. Raises
        NotFound, PreconditionFailed."""
        await self._element.admit(Operation.DELETE)

        def decide(there: Attributes | None) -> Change:
            self._element.check_mode(Operation.DELETE)
            # A full disk has no room for a record of the deletion; to remove the file is what makes room.
            at_once = self._element.commits.applying.stalled
            return decisions.delete(there, by, matches, self._now(), at_once=at_once)

        return file_of(await self._element.submit(file_id, decide))

    async def get(self, file_id: UUID) -> File:
        """A damaged file, too. Raises NotFound, for a file that is expired or deleted as well."""
        await self._element.admit(Operation.METADATA)
        return (await self._readable(file_id)).public()

    @asynccontextmanager
    async def opened(self, file_id: UUID) -> AsyncIterator[tuple[File, Reader]]:
        """The file and its bytes, open as long as the block runs, whatever becomes of it. Raises NotFound, FileDamaged."""
        with span("open file"):
            record, reader = await self._open(file_id)
        try:
            yield record.public(), reader
        finally:
            if not reader.at_hand:
                await self._workers.run(reader.close)

    async def _open(self, file_id: UUID) -> Opened:
        try:
            self._element.check_mode(Operation.DOWNLOAD)
            return await self._openings.open(file_id)
        except (StorageUnavailable, ModeNotAllowed):
            await self._element.admit(Operation.DOWNLOAD)  # where the disk is gone, it is that, and the element closes
            raise

    async def page(self, *, limit: int, offset: int, after: UUID | None, status: FileStatus | None) -> Page[File]:
        """Files by id. With `after`, those behind it: a walk by key misses nothing, whatever is added meanwhile."""
        await self._element.admit(Operation.LIST)
        now, commits = self._now(), self._element.commits
        last = commits.last_sequence

        def read(index: Index) -> tuple[list[File], int, bool]:
            if commits.applying.applied < last:
                # A list that lacks what was acknowledged would be taken for one of all there is.
                raise StorageUnavailable("The storage element cannot put changes into their places now.")
            return index.page(limit=limit, offset=offset, after=after, status=status, now=now)

        # Behind an offset the index walks through what is before it; nobody's short look waits for that.
        items, total, has_more = await self._element.read_index(read, long=bool(offset or status))
        return Page(items=items, total=total, limit=limit, offset=offset, has_more=has_more)

    async def changes(self, *, after: int, limit: int, epoch: UUID | None) -> Changes:
        """What changed after a sequence number. Raises Gone where that number says nothing any more: in another epoch,
        or where what was purged since then is forgotten. Whoever follows must then walk all files (requirement S8)."""
        await self._element.admit(Operation.LIST)
        now, last, applying = self._now(), self._element.commits.last_sequence, self._element.commits.applying

        def read(index: Index) -> Changes:
            if (epoch is not None and epoch != index.epoch) or after < index.trimmed or after > last:
                raise Gone("The position is not known any more: walk all files, and follow from there.")
            applied = applying.applied
            items, has_more = index.changes(after, limit, now)
            if after < index.trimmed:
                raise Gone("The position is not known any more: walk all files, and follow from there.")
            # What is past a change that is not in its place waits for it: who had it would never see the other.
            shown = [item for item in items if item[0] <= applied]
            return Changes(index.epoch, shown, applied, has_more and len(shown) == len(items))

        return await self._element.read_index(read)

    async def _put_small(self, file_id: UUID, incoming: IncomingFile, body: Body, checksum: str | None) -> Kept:
        content = await collect(body)
        measured = sha256(content).hexdigest()
        if checksum is not None and checksum != measured:
            raise checksum_mismatch()
        record = record_of(file_id, incoming, size=len(content), checksum=measured, now=self._now())
        return await self._keeper.keep_small(record, content)

    async def _put_large(
        self, file_id: UUID, incoming: IncomingFile, body: Body, checksum: str | None, hold: Hold
    ) -> Kept:
        # Now, so that what cannot be kept is refused before its bytes arrive.
        record_of(file_id, incoming, size=0, checksum="0" * 64, now=self._now())
        writer = await self._workers.run(self._disk.new_writer)
        try:
            await self._receive(writer, body, hold)
            measured = await self._workers.run(writer.checksum)
            if checksum is not None and checksum != measured:
                raise checksum_mismatch()
            record = record_of(file_id, incoming, size=writer.size, checksum=measured, now=self._now())
            return await self._keeper.keep(writer, record)
        finally:
            await self._workers.run(self._disk.discard, writer)

    async def _receive(self, writer: Writer, body: Body, hold: Hold) -> None:
        async def grow(size: int) -> None:
            await grow_hold(self._capacity, hold, size, self._element, self._disk, self._workers)

        await Receiver(writer, self._workers, most=self._max_bytes, grow=grow).take(body.source)

    @contextmanager
    def _room(self, size: int, usage: Usage) -> Iterator[Hold]:
        hold = self._capacity.hold(size, self._element.used_bytes, usage)
        try:
            yield hold
        finally:
            self._capacity.release(hold)

    async def _readable(self, file_id: UUID) -> Attributes:
        return decisions.readable(await self._keeper.attributes(file_id), self._now())


async def grow_hold(capacity: Capacity, hold: Hold, size: int, element: Element, disk: Disk, workers: Workers) -> None:
    """Room for `size` bytes of an upload in all; asks the disk only when that is more than was promised."""
    if size > hold.size:
        capacity.grow(hold, size, element.used_bytes, await workers.look(disk.usage))
    hold.written = size


def checksum_mismatch() -> ChecksumMismatch:
    return ChecksumMismatch("The bytes that arrived are not those that the digest names.")

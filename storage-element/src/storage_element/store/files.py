"""Files: stored in one request, found, listed, opened, changed, deleted."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager, suppress
from dataclasses import dataclass
from hashlib import sha256
from uuid import UUID

from artstore_core.attr_json import encode
from artstore_core.errors import ChecksumMismatch, FileDamaged, Gone, NotFound, StorageUnavailable
from artstore_core.files import Attributes, File, FileStatus
from artstore_core.modes import Operation
from artstore_core.pages import Page

from storage_element.store import decisions
from storage_element.store.capacity import Capacity, Hold, Room
from storage_element.store.changes import INLINE_BYTES, Change, ChangeKind, Logged, Settled
from storage_element.store.commits import Outcome
from storage_element.store.decisions import Kept, Matches
from storage_element.store.element import Element
from storage_element.store.ports import Clock, Disk, Index, Reader, Usage, Writer
from storage_element.store.receive import Body, Receiver, collect, too_large
from storage_element.store.records import IncomingFile, Update, record_of
from storage_element.store.workers import Workers, settled


@dataclass(frozen=True, slots=True)
class Changes:
    """A page of the change feed. `sequence` is that of the last change there is, within `epoch`."""

    epoch: UUID
    items: list[tuple[int, File]]
    sequence: int
    has_more: bool


class Keeper:
    """The last step of every upload: one change, and the answer that may be given then."""

    def __init__(
        self, disk: Disk, element: Element, workers: Workers, suspect: Callable[[UUID], None] = lambda _: None
    ) -> None:
        self._disk, self._element, self._workers, self._suspect = disk, element, workers, suspect

    async def keep_small(self, record: Attributes, body: bytes) -> Kept:
        """Acknowledge what this returns, and nothing else. Raises Conflict for an id that other bytes have."""
        change = Change(ChangeKind.PUT, record.file_id, encode(record), record, body=body)
        return _kept(await self._submit(change))

    async def keep(self, writer: Writer, record: Attributes, logged: Callable[[], None] = lambda: None) -> Kept:
        """The same for bytes that were received into a file. When the file is new, the log has the writer's file:
        `logged` hears of it, even where this is cancelled."""
        staged = await self._workers.run(self._disk.make_staged, writer)
        change = Change(ChangeKind.PUT, record.file_id, encode(record), record, staged=staged)
        # A task of its own: whoever is cancelled here must still know whose the bytes are.
        submitting = asyncio.ensure_future(self._submit(change))
        try:
            return _kept(await settled(submitting))
        finally:
            if _is_logged(submitting):
                logged()
                await self._workers.run(self._disk.release, writer)

    async def find(self, file_id: UUID) -> File | None:
        """What is known of an id, in whatever state; None when nothing is."""
        try:
            return (await self.attributes(file_id)).public()
        except NotFound:
            return None

    async def attributes(self, file_id: UUID) -> Attributes:
        """Raises NotFound; a record that cannot be read is given as damaged."""
        pending = self._element.commits.applying.get(file_id)
        if pending is None:
            return await self._workers.look(self._disk.last_known, file_id)
        if pending.change.kind is ChangeKind.PURGE or pending.change.attributes is None:
            raise NotFound("There is no such file.")
        return pending.change.attributes

    async def open(self, record: Attributes) -> Reader:
        """The bytes, from wherever they are now. Raises FileDamaged; that a file turns out to be so now is looked into
        beside the request."""
        if record.status is FileStatus.DAMAGED:
            raise FileDamaged("The file is damaged.")
        try:
            return WatchedReader(await self._open(record), lambda: self._suspect(record.file_id))
        except FileDamaged:
            self._suspect(record.file_id)
            raise

    async def _open(self, record: Attributes) -> Reader:
        promised = self._element.commits.applying.bytes_of(record.file_id)
        if promised is not None:
            if promised.change.body is not None:
                return BytesReader(promised.change.body)
            if promised.change.staged is not None:
                with suppress(FileDamaged):  # put into its place, and its name in staging gone, since we looked
                    return await self._workers.run(self._disk.open_staged, promised.change.staged, record)
        return await self._workers.run(self._open_at_rest, record)

    def _open_at_rest(self, record: Attributes) -> Reader:
        """In a worker thread; of a small file all is read while we are there, so that nobody need come back for it."""
        reader = self._disk.open(record)
        if record.size > INLINE_BYTES:
            return reader
        try:
            return BytesReader(reader.read(0, record.size))
        finally:
            reader.close()

    async def _submit(self, change: Change) -> Outcome:
        def decide(there: Attributes | None) -> Change | Settled:
            self._element.check_mode(Operation.UPLOAD)
            return decisions.keep(there, change)

        return await self._element.submit(change.file_id, decide)


class BytesReader:
    """A small file whose bytes are in memory."""

    at_hand = True

    def __init__(self, content: bytes) -> None:
        self._content = content

    def read(self, offset: int, length: int) -> bytes:
        return self._content[offset : offset + length]

    def close(self) -> None:
        """Nothing is held."""


class WatchedReader:
    """Tells when the bytes end too early."""

    def __init__(self, reader: Reader, on_damage: Callable[[], None]) -> None:
        self._reader, self._on_damage, self.at_hand = reader, on_damage, reader.at_hand

    def read(self, offset: int, length: int) -> bytes:
        try:
            return self._reader.read(offset, length)
        except FileDamaged:
            self._on_damage()
            raise

    def close(self) -> None:
        self._reader.close()


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

        return _file(await self._element.submit(file_id, decide))

    async def delete(self, file_id: UUID, by: str, matches: Matches) -> None:
        """From now on there is no such file; its bytes go with the next garbage collection. Raises NotFound,
        PreconditionFailed."""
        await self._element.admit(Operation.DELETE)

        def decide(there: Attributes | None) -> Change:
            self._element.check_mode(Operation.DELETE)
            # A full disk has no room for a record of the deletion; to remove the file is what makes room.
            at_once = self._element.commits.applying.stalled
            return decisions.delete(there, by, matches, self._now(), at_once=at_once)

        await self._element.submit(file_id, decide)

    async def get(self, file_id: UUID) -> File:
        """A damaged file, too. Raises NotFound, for a file that is expired or deleted as well."""
        await self._element.admit(Operation.METADATA)
        return (await self._readable(file_id)).public()

    @asynccontextmanager
    async def opened(self, file_id: UUID) -> AsyncIterator[tuple[File, Reader]]:
        """The file and its bytes, open as long as the block runs, whatever becomes of it. Raises NotFound, FileDamaged."""
        await self._element.admit(Operation.DOWNLOAD)
        record = await self._readable(file_id)
        try:
            reader = await self._keeper.open(record)
        except FileDamaged:
            await self._readable(file_id)  # one that was removed since then is not damaged, it is not there
            raise
        try:
            yield record.public(), reader
        finally:
            if not reader.at_hand:
                await self._workers.run(reader.close)

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
        record = await self._keeper.attributes(file_id)
        if not decisions.is_there(record, self._now()):
            raise NotFound("There is no such file.")
        return record


async def grow_hold(capacity: Capacity, hold: Hold, size: int, element: Element, disk: Disk, workers: Workers) -> None:
    """Room for `size` bytes of an upload in all; asks the disk only when that is more than was promised."""
    if size > hold.size:
        capacity.grow(hold, size, element.used_bytes, await workers.look(disk.usage))
    hold.written = size


def checksum_mismatch() -> ChecksumMismatch:
    return ChecksumMismatch("The bytes that arrived are not those that the digest names.")


def _is_logged(submitting: asyncio.Future[Outcome]) -> bool:
    if submitting.cancelled() or submitting.exception() is not None:
        return False
    return isinstance(submitting.result(), Logged)


def _kept(outcome: Outcome) -> Kept:
    if isinstance(outcome, Logged):
        return Kept(_file(outcome), new=True)
    kept: Kept = outcome.value
    return kept


def _file(outcome: Outcome) -> File:
    assert isinstance(outcome, Logged)
    assert outcome.change.attributes is not None
    return outcome.change.attributes.public()

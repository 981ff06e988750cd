"""Resumable uploads: reserved, appended to at the measured end, read back, joined, completed or aborted."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import ExitStack, asynccontextmanager
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from artstore_core.errors import (
    ChecksumMismatch,
    Conflict,
    FileTooLarge,
    NotFound,
    StorageFull,
    ValidationFailed,
)
from artstore_core.modes import Operation

from storage_element.store.agreement import Agreement
from storage_element.store.capacity import Capacity, Hold
from storage_element.store.changes import Logged
from storage_element.store.concatenate import Concatenation
from storage_element.store.decisions import Kept
from storage_element.store.element import Element
from storage_element.store.files import Keeper, checksum_mismatch, grow_hold
from storage_element.store.locks import KeyedLocks
from storage_element.store.ports import Clock, Disk, Found, StagedReader, Writer
from storage_element.store.receive import Body, Receiver, too_large
from storage_element.store.records import IncomingFile, record_of
from storage_element.store.upload import Upload, in_use, no_upload
from storage_element.store.workers import Workers


@dataclass(frozen=True, slots=True)
class Reserved:
    """Where an upload stands; `new` unless it was begun before."""

    offset: int
    new: bool


class Uploads:
    """Use cases on uploads. `max_request_bytes` limits one append, `max_file_bytes` the file."""

    def __init__(
        self,
        disk: Disk,
        element: Element,
        capacity: Capacity,
        keeper: Keeper,
        workers: Workers,
        now: Clock,
        max_request_bytes: int,
        max_file_bytes: int,
    ) -> None:
        self._disk, self._element, self._capacity = disk, element, capacity
        self._keeper, self._workers, self._now = keeper, workers, now
        self._max_request_bytes, self._max_file_bytes = max_request_bytes, max_file_bytes
        self._uploads: dict[UUID, Upload] = {}
        self._concatenation = Concatenation(disk, element, capacity, workers, self._agree, max_file_bytes)
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
                return Reserved(await self._measure(upload_id, there), new=False)
            if await self._keeper.find(upload_id) is not None:
                raise Conflict("A file with this id exists.")
            disk = await self._workers.look(self._disk.usage)
            await self._begin(upload_id, size, self._capacity.hold(size or 0, self._element.used_bytes, disk))
            return Reserved(0, new=True)

    async def offset(self, upload_id: UUID) -> tuple[int, int | None]:
        """The bytes that are there, and the most that there may be. Raises NotFound."""
        await self._element.admit(Operation.UPLOAD)
        upload = self._get(upload_id)
        return await self._measure(upload_id, upload), upload.size

    @asynccontextmanager
    async def opened(self, upload_id: UUID) -> AsyncIterator[StagedReader]:
        """The bytes that are there, open as long as the block runs. Raises NotFound, and Conflict while it is changed:
        what an append brings may be taken back.
        """
        await self._element.admit(Operation.UPLOAD)
        upload = self._get(upload_id)
        upload.check_joined()
        turns = upload.turns
        reader = await self._workers.run(self._disk.open_upload, upload_id)
        try:
            if upload.busy or upload.turns != turns:
                raise in_use()
            yield reader
        finally:
            await self._workers.run(reader.close)

    async def append(self, upload_id: UUID, offset: int, body: Body, checksum: str | None = None) -> int:
        """Adds a body at `offset`, which must be where the upload ends; gives where it ends now. `checksum` is what the
        client says the body's SHA-256 is.

        Raises NotFound, Conflict, FileTooLarge, StorageFull and ChecksumMismatch; a refused body leaves nothing. Of a
        body that breaks off, what came stays, so that the client can go on from there.
        """
        await self._element.admit(Operation.UPLOAD)
        upload = self._get(upload_id)
        with upload.alone(self._element.generation):
            upload.check_joined()
            writer = await self._workers.run(self._disk.resume_upload, upload_id, upload.hash_so_far)
            try:
                await self._note_before(upload, writer)
                if writer.size != offset:
                    raise Conflict("The upload ends elsewhere.", headers={"Upload-Offset": str(writer.size)})
                await self._receive(upload, writer, body, checksum)
            finally:
                upload.hash_so_far = writer.running()
                await self._workers.run(self._disk.release, writer)
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
        with upload.alone(self._element.generation):
            upload.check_joined()
            writer = await self._workers.run(self._disk.resume_upload, upload_id, upload.hash_so_far)
            try:
                kept = await self._keep(upload_id, writer, incoming, size, checksum)
            finally:
                await self._workers.run(self._disk.release, writer)
            await self._forget(upload_id)
            return kept

    async def concatenate(self, upload_id: UUID, parts: Sequence[UUID]) -> tuple[int, int | None]:
        """Makes the empty upload hold the bytes of the parts, in their order, and removes those; gives what `offset`
        does. Once more, for an answer that was lost or a crash in the middle, does what is left to be done.

        Raises ValidationFailed, NotFound, Conflict, FileTooLarge and StorageFull, and then the parts are as they were.
        """
        if upload_id in parts or len(set(parts)) != len(parts):
            raise ValidationFailed("An upload cannot be used twice.", details={"parts": "must name each upload once"})
        await self._element.admit(Operation.UPLOAD)
        target = self._get(upload_id)
        with ExitStack() as held:
            held.enter_context(target.alone(self._element.generation))
            done = target.joined and target.parts == tuple(parts)
            for part in parts:
                if (upload := self._uploads.get(part)) is not None:
                    held.enter_context(upload.alone(self._element.generation))
                    upload.check_joined()
                elif not done:
                    raise no_upload(part)
            if not done:
                await self._concatenation.run(upload_id, target, parts)
            async with self._element.changing():
                for part in parts:
                    await self._forget(part)
            return await self._measure(upload_id, target), target.size

    async def abort(self, upload_id: UUID) -> None:
        """Forgets an upload; one that is not there is forgotten already. Raises Conflict while it is being written."""
        await self._element.admit(Operation.UPLOAD)
        async with self._one_at_a_time(upload_id):
            if (upload := self._uploads.get(upload_id)) is not None:
                with upload.alone(self._element.generation):
                    await self._remove(upload_id)

    async def remove_idle(
        self, since: datetime, report: Callable[[UUID, int], None], trusted: Callable[[], Awaitable[bool]]
    ) -> None:
        """Removes uploads that received nothing since then and gives their room back; tells of each, with its bytes.

        An upload that a request is working on stays; where the clock is not `trusted`, all do. Raises
        StorageUnavailable, and then may have removed some.
        """
        await self._element.probe()
        for upload_id, upload in list(self._uploads.items()):
            # Looked at before it is locked: beside one that goes on nobody is told that somebody else is at work.
            if await self._is_idle(upload_id, upload, since):
                if not await trusted():
                    return
                async with self._one_at_a_time(upload_id):
                    await self._remove_if_idle(upload_id, since, report)

    async def _remove_if_idle(self, upload_id: UUID, since: datetime, report: Callable[[UUID, int], None]) -> None:
        upload = self._uploads.get(upload_id)
        if upload is None or upload.busy:
            return
        with upload.alone(self._element.generation):
            async with self._element.changing():
                if not await self._is_idle(upload_id, upload, since):
                    return
                await self._remove(upload_id)
        report(upload_id, upload.hold.written)

    async def _is_idle(self, upload_id: UUID, upload: Upload, since: datetime) -> bool:
        try:
            return await self._workers.look(self._disk.last_received, upload_id) < since
        except NotFound:
            return upload.agreement.created_at < since

    async def _begin(self, upload_id: UUID, size: int | None, hold: Hold) -> None:
        agreement = Agreement(upload_id, size, self._now())
        upload = self._uploads[upload_id] = Upload(agreement, hold)
        try:
            with upload.alone(self._element.generation):
                async with self._element.changing():
                    await self._workers.run(self._disk.begin_upload, agreement)
        except BaseException:
            self._uploads.pop(upload_id, None)
            self._capacity.release(hold)
            raise

    async def _receive(self, upload: Upload, writer: Writer, body: Body, checksum: str | None) -> None:
        most = min(self._max_file_bytes if upload.size is None else upload.size, writer.size + self._max_request_bytes)
        if body.length is not None and writer.size + body.length > most:
            raise too_large(most)

        async def grow(size: int) -> None:
            await grow_hold(self._capacity, upload.hold, size, self._element, self._disk, self._workers)

        async def flushed(size: int) -> None:
            await self._note(upload, size)

        if body.length is not None:
            # Room for the whole body before its first byte, where the reservation did not say.
            await self._hold_ahead(upload, writer.size + body.length)
        if checksum is not None:
            writer.hash_body()
        try:
            await Receiver(writer, self._workers, most=most, grow=grow, flushed=flushed).take(body.source)
            if checksum is not None and checksum != await self._workers.run(writer.body_checksum):
                raise checksum_mismatch()
        except (FileTooLarge, StorageFull, ChecksumMismatch):
            await self._workers.run(writer.take_back)
            raise
        finally:
            upload.hold.written = writer.size
            await self._workers.run(writer.flush)
            await self._note(upload, writer.size)

    async def _note_before(self, upload: Upload, writer: Writer) -> None:
        """What was taken back, and could not be noted then, must not pass for flushed once other bytes are there."""
        received = upload.agreement.received
        if received is None:
            await self._workers.run(writer.flush)
        await self._note(upload, writer.size if received is None else min(writer.size, received))

    async def _note(self, upload: Upload, size: int) -> None:
        """So many of its bytes are flushed: a start after a power cut takes off whatever is more. Raises StorageFull."""
        if size != upload.agreement.received:
            await self._agree(upload, upload.agreement.with_received(size))

    async def _agree(self, upload: Upload, agreement: Agreement) -> None:
        self._element.check_generation(upload.generation)
        outcome = await self._element.submit(agreement.upload_id, lambda _: agreement.change())
        assert isinstance(outcome, Logged)
        upload.agreement, upload.noted = agreement, outcome.sequence

    async def _hold_ahead(self, upload: Upload, size: int) -> None:
        if size > upload.hold.size:
            disk = await self._workers.look(self._disk.usage)
            self._capacity.grow(upload.hold, size, self._element.used_bytes, disk)

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
        upload = self._get(upload_id)
        self._element.check_generation(upload.generation)

        def logged() -> None:
            upload.logged = True

        return await self._keeper.keep(writer, record, logged)

    async def _completed_before(self, upload_id: UUID, checksum: str | None) -> Kept:
        file = await self._keeper.find(upload_id)
        if file is None:
            raise no_upload()
        if checksum is not None and checksum != file.checksum:
            raise Conflict("A file with this id and other bytes exists.")
        return Kept(file, new=False)

    async def _measure(self, upload_id: UUID, upload: Upload) -> int:
        """Half a concatenation counts for nothing: whoever goes on begins at 0."""
        size = await self._workers.run(self._disk.measure_upload, upload_id)
        return size if upload.joined else 0

    async def _forget(self, upload_id: UUID) -> None:
        """Not beside a `reserve` of the same id, which would begin what is being removed here."""
        async with self._one_at_a_time(upload_id):
            await self._remove(upload_id)

    async def _remove(self, upload_id: UUID) -> None:
        """Its bytes are removed, unless they are the log's."""
        upload = self._uploads.pop(upload_id, None)
        if upload is not None:
            try:
                # Not before what was noted of it is in its place: that would bring it back.
                await self._element.commits.applying.reached(upload.noted)
                if not upload.logged:
                    await self._workers.run(self._disk.forget_upload, upload_id)
            finally:
                self._capacity.release(upload.hold)

    def _get(self, upload_id: UUID) -> Upload:
        upload = self._uploads.get(upload_id)
        if upload is None:
            raise no_upload()
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
                known.agreement, known.hold, known.hash_so_far, known.noted = agreement, hold, None, 0
            self._uploads[agreement.upload_id] = known or Upload(agreement, hold)

"""Resumable uploads: reserved, appended to at the measured end, read back, joined, completed or aborted."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from contextlib import ExitStack, asynccontextmanager
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final
from uuid import UUID

from artstore_core.errors import (
    Conflict,
    ValidationFailed,
)
from artstore_core.files import File
from artstore_core.modes import Operation

from storage_element.store.agreement import Agreement
from storage_element.store.append import Appending
from storage_element.store.capacity import Capacity, Hold
from storage_element.store.concatenate import Concatenation
from storage_element.store.decisions import Kept
from storage_element.store.element import Element
from storage_element.store.files import checksum_mismatch
from storage_element.store.keeper import Keeper
from storage_element.store.locks import KeyedLocks
from storage_element.store.part_table import PartTables
from storage_element.store.parts import Parts
from storage_element.store.ports import Clock, Disk, Found, StagedReader, Writer
from storage_element.store.receive import Body, BodyChecksum, too_large
from storage_element.store.records import IncomingFile, record_of
from storage_element.store.upload import Upload, in_use, no_upload
from storage_element.store.workers import Workers


@dataclass(frozen=True, slots=True)
class Reserved:
    """Where an upload stands; `new` unless it was begun before."""

    offset: int
    new: bool


@dataclass(frozen=True, slots=True)
class Standing:
    """An unfinished upload. `offset` will move where it is `busy`."""

    agreement: Agreement
    offset: int
    busy: bool
    last_received: datetime


MAX_PARTS: Final = 10_000


class Uploads:
    """Use cases on uploads. `max_request_bytes` limits one append or part, `max_file_bytes` the file; `part_seconds` is the
    most that a part may take. Those on parts are in `parts`."""

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
        part_seconds: float,
    ) -> None:
        self._disk, self._element, self._capacity = disk, element, capacity
        self._keeper, self._workers, self._now = keeper, workers, now
        self._max_file_bytes = max_file_bytes
        self._uploads: dict[UUID, Upload] = {}
        self._appending = Appending(disk, element, capacity, workers, max_request_bytes, max_file_bytes)
        self._concatenation = Concatenation(disk, element, capacity, workers, self._appending.agree, max_file_bytes)
        self._tables = PartTables(lambda: disk.parts, workers)
        self.parts = Parts(lambda: disk.parts, element, workers, self._tables, self._appending, self._get, part_seconds)
        self._max_request_bytes = max_request_bytes
        self._one_at_a_time = KeyedLocks()
        element.on_open(self._found)

    async def reserve(
        self,
        upload_id: UUID,
        size: int | None,
        part_of: UUID | None = None,
        context: Mapping[str, Any] | None = None,
        part_size: int | None = None,
    ) -> Reserved:
        """Begins an upload and keeps room for `size` bytes; once more, for an answer that was lost, changes nothing.
        `part_of` is the upload, begun or not, that it is to be joined into: both last as long as anything comes for one
        of its parts. `context` is kept for `standing`. One that was begun without a size is given it by the same call.
        With a `part_size` its bytes come as parts of that size (`store.parts`).

        Raises ValidationFailed, FileTooLarge, StorageFull, and Conflict for an id that is taken.
        """
        await self._element.admit(Operation.UPLOAD)
        if size is not None and size > self._max_file_bytes:
            raise too_large(self._max_file_bytes)
        if part_size is not None:
            self._check_parts(size, part_size)
        async with self._one_at_a_time(upload_id):
            if (there := self._uploads.get(upload_id)) is not None:
                if there.size is None and size is not None and context is None:
                    return await self._give_size(upload_id, there, size)
                if _asked(there.agreement) != (size, part_of, context, part_size):
                    raise Conflict("This upload was begun with another size, or as a part of another one.")
                return Reserved(await self._measure(upload_id, there), new=False)
            if await self._keeper.find(upload_id) is not None:
                raise Conflict("A file with this id exists.")
            disk = await self._workers.look(self._disk.usage)
            hold = self._capacity.hold(size or 0, self._element.used_bytes, disk)
            agreement = Agreement(upload_id, size, self._now(), part_of=part_of, context=context, part_size=part_size)
            await self._begin(agreement, hold)
            return Reserved(0, new=True)

    async def standing(self, upload_id: UUID) -> Standing | File:
        """All that is known of an upload, or the file that it became. Raises NotFound."""
        await self._element.admit(Operation.METADATA)
        if (upload := self._uploads.get(upload_id)) is not None:
            await upload.free_of_the_dead()
            last = await self._workers.look(self._disk.last_received, upload_id)
            return Standing(upload.agreement, await self._measure(upload_id, upload), upload.busy, last)
        if (file := await self._keeper.find(upload_id)) is not None:
            return file
        raise no_upload()

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
        upload.check_sealed()
        turns = upload.turns
        reader = await self._workers.run(self._disk.open_upload, upload_id)
        try:
            if upload.busy or upload.turns != turns:
                raise in_use()
            yield reader
        finally:
            await self._workers.run(reader.close)

    async def append(self, upload_id: UUID, offset: int, body: Body, checksum: BodyChecksum | None = None) -> int:
        """Adds a body at `offset`, which must be where the upload ends; gives where it ends now. `checksum` is what the
        client says the body's hash is. An append whose body has been silent for long makes way for this one.

        Raises NotFound, Conflict, FileTooLarge, StorageFull and ChecksumMismatch; a refused body leaves nothing. Of a
        body that breaks off, what came stays, so that the client can go on from there.
        """
        await self._element.admit(Operation.UPLOAD)
        upload = self._get(upload_id)
        upload.check_in_order()
        await upload.free_of_the_dead()
        with upload.alone(self._element.generation):
            upload.check_joined()
            writer = await self._workers.run(self._disk.resume_upload, upload_id, upload.hash_so_far)
            try:
                await self._appending.note_before(upload, writer)
                if writer.size != offset:
                    raise Conflict("The upload ends elsewhere.", headers={"Upload-Offset": str(writer.size)})
                await self._appending.receive(upload, writer, body, checksum)
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
            upload.check_sealed()
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
        for one in (target, *(self._uploads[part] for part in parts if part in self._uploads)):
            one.check_in_order()
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
                await upload.free_of_the_dead()
                await upload.free_of_dead_parts()
                with upload.alone(self._element.generation):
                    await self._remove(upload_id)

    def families(self) -> list[dict[UUID, Upload]]:
        """The uploads that there are now; those that are to become one are together."""
        found: dict[UUID, dict[UUID, Upload]] = {}
        for upload_id, upload in self._uploads.items():
            found.setdefault(upload.agreement.part_of or upload_id, {})[upload_id] = upload
        return list(found.values())

    async def remove_if(self, upload_id: UUID, still: Callable[[], Awaitable[bool]]) -> int | None:
        """Removes an upload that no request is working on and gives its room back, if it is `still` to be removed once
        nobody else can come to it. Gives the bytes that it had. Raises StorageUnavailable."""
        async with self._one_at_a_time(upload_id):
            upload = self._uploads.get(upload_id)
            if upload is None or upload.busy:
                return None
            with upload.alone(self._element.generation):
                async with self._element.changing():
                    if not await still():
                        return None
                    await self._remove(upload_id)
            return upload.hold.written

    def _check_parts(self, size: int | None, part_size: int) -> None:
        if size is None or part_size > self._max_request_bytes or size > part_size * MAX_PARTS:
            reason = f"needs a size, at most {MAX_PARTS} parts, and at most {self._max_request_bytes} bytes for each"
            raise ValidationFailed("The upload cannot have such parts.", details={"part_size": reason})

    async def _give_size(self, upload_id: UUID, upload: Upload, size: int) -> Reserved:
        with upload.alone(self._element.generation):
            writer = await self._workers.run(self._disk.resume_upload, upload_id, upload.hash_so_far)
            try:
                await self._appending.give_size(upload, writer, size)
            finally:
                await self._workers.run(self._disk.release, writer)
            return Reserved(await self._measure(upload_id, upload), new=False)

    async def _begin(self, agreement: Agreement, hold: Hold) -> None:
        upload_id = agreement.upload_id
        upload = self._uploads[upload_id] = Upload(agreement, hold)
        try:
            with upload.alone(self._element.generation):
                async with self._element.changing():
                    await self._workers.run(self._disk.begin_upload, agreement)
        except BaseException:
            self._uploads.pop(upload_id, None)
            self._capacity.release(hold)
            raise

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
        if upload.agreement.part_size is not None:
            return await self._tables.received(upload)
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
                known.found_anew(agreement, hold)
            self._uploads[agreement.upload_id] = known or Upload(agreement, hold)


def _asked(agreement: Agreement) -> tuple[Any, ...]:
    """What whoever reserves it once more must ask for again."""
    return agreement.size, agreement.part_of, agreement.context, agreement.part_size

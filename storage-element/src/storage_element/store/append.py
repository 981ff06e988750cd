"""Adding a body to an upload, and noting how many of its bytes are flushed."""

from __future__ import annotations

from artstore_core.errors import ChecksumMismatch, Conflict, FileTooLarge, StorageFull

from storage_element.store.agreement import Agreement
from storage_element.store.capacity import Capacity
from storage_element.store.changes import Logged
from storage_element.store.element import Element
from storage_element.store.files import checksum_mismatch, grow_hold
from storage_element.store.ports import Disk, Writer
from storage_element.store.receive import Body, BodyChecksum, Receiver, too_large
from storage_element.store.upload import Upload
from storage_element.store.workers import Workers


class Appending:
    """Whoever calls it keeps others away from the upload. `max_request_bytes` limits one body, `max_file_bytes` what the
    upload may grow to."""

    def __init__(
        self,
        disk: Disk,
        element: Element,
        capacity: Capacity,
        workers: Workers,
        max_request_bytes: int,
        max_file_bytes: int,
    ) -> None:
        self._disk, self._element = disk, element
        self._capacity, self._workers = capacity, workers
        self._max_request_bytes, self._max_file_bytes = max_request_bytes, max_file_bytes

    async def receive(self, upload: Upload, writer: Writer, body: Body, checksum: BodyChecksum | None) -> None:
        """Writes, flushes and notes the body; one that is refused is taken back. Raises FileTooLarge, StorageFull,
        ChecksumMismatch, StorageUnavailable."""
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
            writer.hash_body(checksum.algorithm)
        try:
            await Receiver(writer, self._workers, most=most, grow=grow, flushed=flushed).take(upload.heard(body.source))
            if checksum is not None and checksum.digest != await self._workers.run(writer.body_checksum):
                raise checksum_mismatch()
        except (FileTooLarge, StorageFull, ChecksumMismatch):
            await self._workers.run(writer.take_back)
            raise
        except BaseException:
            if checksum is not None:  # of a body that broke off nobody can say whether it is right so far
                await self._workers.run(writer.take_back)
            raise
        finally:
            upload.hold.written = writer.size
            await self._workers.run(writer.flush)
            await self._note(upload, writer.size)

    async def give_size(self, upload: Upload, writer: Writer, size: int) -> None:
        """To one that was begun without: room for so many bytes is kept from now on. Raises Conflict, StorageFull."""
        if size < writer.size:
            raise Conflict("The upload holds more bytes already.", headers={"Upload-Offset": str(writer.size)})
        await self._hold_ahead(upload, size)
        await self.agree(upload, upload.agreement.with_size(size))

    async def note_before(self, upload: Upload, writer: Writer) -> None:
        """What was taken back, and could not be noted then, must not pass for flushed once other bytes are there."""
        received = upload.agreement.received
        if received is None:
            await self._workers.run(writer.flush)
        await self._note(upload, writer.size if received is None else min(writer.size, received))

    async def _note(self, upload: Upload, size: int) -> None:
        """So many of its bytes are flushed: a start after a power cut takes off whatever is more. Raises StorageFull."""
        if size != upload.agreement.received:
            await self.agree(upload, upload.agreement.with_received(size))

    async def agree(self, upload: Upload, agreement: Agreement) -> None:
        """Makes an upload's agreement another one, durably. Raises StorageFull, StorageUnavailable."""
        self._element.check_generation(upload.generation)
        outcome = await self._element.submit(agreement.upload_id, lambda _: agreement.change())
        assert isinstance(outcome, Logged)
        upload.agreement, upload.noted = agreement, outcome.sequence

    async def _hold_ahead(self, upload: Upload, size: int) -> None:
        if size > upload.hold.size:
            disk = await self._workers.look(self._disk.usage)
            self._capacity.grow(upload.hold, size, self._element.used_bytes, disk)

"""Signed parts: the parts of one upload, in any order and beside each other, each to its own place in one file.

    1. The entry of an earlier try is struck out, durably: it must not stand for bytes that are being changed.
    2. The bytes are written to their place and hashed as they come, then flushed.
    3. The part is entered, durably. From here on it is there, and its SHA-256 is its entity tag.
    4. Before anybody looks at what all parts make, the upload is sealed: what is looked at is what becomes the file.

No byte is copied. Of 2 and 3, a power cut leaves the part or nothing of it (`disk.staged_parts`).
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping, Sequence
from uuid import UUID

from artstore_core.errors import ChecksumMismatch, Conflict, ValidationFailed
from artstore_core.modes import Operation

from storage_element.store.append import Appending
from storage_element.store.element import Element
from storage_element.store.files import checksum_mismatch
from storage_element.store.listening import Listening
from storage_element.store.part import Part, PartsDisk, PartWriter
from storage_element.store.part_table import PartTables, missing
from storage_element.store.receive import Body, Receiver
from storage_element.store.upload import Upload
from storage_element.store.workers import Workers


class Parts:
    """`find` gives an upload and raises NotFound. `part_seconds` is the most that one part may take."""

    def __init__(
        self,
        disk: Callable[[], PartsDisk],
        element: Element,
        workers: Workers,
        tables: PartTables,
        appending: Appending,
        find: Callable[[UUID], Upload],
        part_seconds: float,
    ) -> None:
        self._disk, self._element, self._workers, self._tables = disk, element, workers, tables
        self._appending, self._find, self._part_seconds = appending, find, part_seconds

    async def put(self, upload_id: UUID, number: int, body: Body, *, length: int | None, digest: str | None) -> str:
        """Takes a part, in place of what was there of it; gives its SHA-256 in hex. `length` and `digest` are what its
        sender was allowed to bring.

        Raises NotFound, Conflict, RateLimited, ValidationFailed, ChecksumMismatch, StorageFull: the part is then not there.
        """
        await self._element.admit(Operation.UPLOAD)
        upload = self._of_parts(upload_id)
        due = _length_of(upload, number)
        if body.length != due or length not in (None, due):
            raise _wrong_length(due)
        await upload.free_of_dead_parts(number)
        with upload.receives(number) as listening:
            if upload.agreement.sealed:
                raise Conflict("The upload is being completed: it takes no parts any more.")
            generation = self._element.generation
            part = await self._received(upload, number, body, listening, digest)
            async with self._element.changing():
                self._element.check_generation(generation)
                await self._tables.enter(upload, number, part)
            await self._tables.hash_ahead(upload)
        return part.sha256

    async def there(self, upload_id: UUID) -> Mapping[int, Part]:
        """The parts that are there, by number. Raises NotFound, Conflict for an upload without parts."""
        await self._element.admit(Operation.METADATA)
        return dict(await self._tables.of(self._of_parts(upload_id)))

    async def seal(self, upload_id: UUID, sha256s: Sequence[str], checksum: str | None) -> None:
        """The upload is whole, and no part is taken any more. `sha256s` are those of all parts in their order, `checksum`
        that of the whole where the client gave one. Once more changes nothing.

        Raises ValidationFailed for another number of parts, Conflict where one is missing or on its way, and
        ChecksumMismatch: the upload then stays as it was, for parts may be sent again.
        """
        await self._element.admit(Operation.UPLOAD)
        upload = self._of_parts(upload_id)
        await upload.free_of_dead_parts()
        with upload.alone(self._element.generation):
            _compare(upload, await self._tables.of(upload), sha256s)
            measured = await self._tables.hash_all(upload)
            if checksum not in (None, measured):
                raise checksum_mismatch()
            if not upload.agreement.sealed:
                await self._appending.agree(upload, upload.agreement.as_sealed())

    async def _received(
        self, upload: Upload, number: int, body: Body, listening: Listening, digest: str | None
    ) -> Part:
        """Steps 1 and 2."""
        agreement = upload.agreement
        due = agreement.part_length(number)
        await self._tables.strike_out(upload, number)
        writer = await self._workers.run(self._disk().open, agreement.upload_id, agreement.part_offset(number))
        try:
            await self._take(writer, body, listening, due)
            if writer.size != due:
                raise _wrong_length(due)
            sha256 = await self._workers.run(writer.checksum)
            if digest not in (None, sha256):
                raise checksum_mismatch()
            await self._workers.run(writer.flush)
        finally:
            await self._workers.run(writer.close)
        return Part(due, sha256)

    async def _take(self, writer: PartWriter, body: Body, listening: Listening, due: int) -> None:
        async def grow(_size: int) -> None:
            """Room for all parts is held since the upload was begun."""

        receiver = Receiver(writer, self._workers, most=due, grow=grow)
        try:
            async with asyncio.timeout(self._part_seconds):
                await receiver.take(listening.heard(body.source))
        except TimeoutError:
            # What is left of the body would be taken for the next request, so the connection ends too.
            raise ValidationFailed("The part came too slowly.", headers={"Connection": "close"}) from None

    def _of_parts(self, upload_id: UUID) -> Upload:
        upload = self._find(upload_id)
        if upload.agreement.part_size is None:
            raise Conflict("This upload takes no parts.")
        return upload


def _length_of(upload: Upload, number: int) -> int:
    if not 1 <= number <= upload.agreement.part_count:
        reason = f"must be from 1 to {upload.agreement.part_count}"
        raise ValidationFailed("The upload has no such part.", details={"number": reason})
    return upload.agreement.part_length(number)


def _wrong_length(due: int) -> ValidationFailed:
    return ValidationFailed(
        "The part has another length.",
        details={"Content-Length": f"must be {due}"},
        headers={"Connection": "close"},
    )


def _compare(upload: Upload, table: Mapping[int, Part], sha256s: Sequence[str]) -> None:
    count = upload.agreement.part_count
    if len(sha256s) != count:
        raise ValidationFailed("The parts are not those of the upload.", details={"parts": f"must be {count}"})
    if gaps := [number for number in range(1, count + 1) if number not in table]:
        raise missing(gaps)
    for number, sha256 in enumerate(sha256s, start=1):
        if table[number].sha256 != sha256:
            raise ChecksumMismatch(
                "A part is not the one that was sent.", details={"parts": f"part {number} has another etag"}
            )

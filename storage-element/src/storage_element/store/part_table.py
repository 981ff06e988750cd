"""What is known of an upload's parts, and of the hash of its beginning: read from the disk once, kept while it is open."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from typing import Final

from artstore_core.errors import ArtStoreError, Conflict

from storage_element.store.locks import KeyedLocks
from storage_element.store.part import Part, PartsDisk, RunningHash
from storage_element.store.upload import Upload
from storage_element.store.workers import Workers

_AHEAD: Final = 4
"""Parts that one request hashes on at the most, when it is done with its own."""


class PartTables:
    """`disk` is asked for it in each call: it is another one after each opening."""

    def __init__(self, disk: Callable[[], PartsDisk], workers: Workers) -> None:
        self._disk, self._workers = disk, workers
        self._loading = KeyedLocks()

    async def of(self, upload: Upload) -> dict[int, Part]:
        """The parts that are there. Raises StorageUnavailable."""
        async with self._loading(upload.agreement.upload_id):
            while upload.table is None:
                turn = upload.hash_turn
                found = dict(await self._workers.run(self._disk().read, upload.agreement))
                if turn == upload.hash_turn:
                    upload.table, upload.doubtful = found, set(found)
            return upload.table

    async def received(self, upload: Upload) -> int:
        """Bytes of the parts that are there."""
        return sum(part.length for part in (await self.of(upload)).values())

    async def strike_out(self, upload: Upload, number: int) -> None:
        """Durably: from now on the part is not there."""
        table = await self.of(upload)
        if number in table:
            await self._workers.run(self._disk().note, upload.agreement.upload_id, number, None)
            table.pop(number, None)
            upload.lose_hash()
            _count(upload, table)

    async def enter(self, upload: Upload, number: int, part: Part) -> None:
        """Durably: the part is there, whose bytes are flushed."""
        table = await self.of(upload)
        await self._workers.run(self._disk().note, upload.agreement.upload_id, number, part)
        table[number] = part
        upload.doubtful.discard(number)
        _count(upload, table)

    async def hash_ahead(self, upload: Upload) -> None:
        """Hashes what is there without a gap from the beginning, while it lies in memory: a little, and only where nobody
        else is at it. What fails here is done when the upload is sealed."""
        table, agreement = await self.of(upload), upload.agreement
        if upload.hashing:
            return
        done: int = 0 if upload.hash_so_far is None else upload.hash_so_far.size
        number = done // (agreement.part_size or 1)
        last = number
        while last - number < _AHEAD and last + 1 in table and last + 1 not in upload.doubtful:
            last += 1
        if last > number:
            upload.hashing = True
            try:
                with suppress(ArtStoreError):
                    await self._hash_on(upload, agreement.part_offset(last) + agreement.part_length(last))
            finally:
                upload.hashing = False

    async def hash_all(self, upload: Upload) -> str:
        """SHA-256 in hex of the whole, all parts of which are there; nobody may be receiving any.

        Of a part that was noted before the disk was opened, the bytes are compared with what was noted. Raises Conflict
        where they are others, and strikes it out.
        """
        table, agreement = await self.of(upload), upload.agreement
        for number in range(1, agreement.part_count + 1):
            offset, length = agreement.part_offset(number), agreement.part_length(number)
            if number in upload.doubtful:
                checksum = self._disk().checksum
                if await self._workers.run(checksum, agreement.upload_id, offset, length) != table[number].sha256:
                    await self.strike_out(upload, number)
                    raise missing([number])
                upload.doubtful.discard(number)
            await self._hash_on(upload, offset + length)
        return (await self._hash_on(upload, agreement.size or 0)).hexdigest()

    async def _hash_on(self, upload: Upload, until: int) -> RunningHash:
        turn, upload_id = upload.hash_turn, upload.agreement.upload_id
        running = await self._workers.run(self._disk().hash_on, upload_id, upload.hash_so_far, until)
        if turn == upload.hash_turn:
            upload.hash_so_far = running
        return running


def missing(numbers: list[int]) -> Conflict:
    shown = ", ".join(str(number) for number in numbers[:10]) + (", …" if len(numbers) > 10 else "")
    return Conflict("Not all parts of the upload are there.", details={"parts": f"missing: {shown}"})


def _count(upload: Upload, table: dict[int, Part]) -> None:
    upload.hold.written = sum(part.length for part in table.values())

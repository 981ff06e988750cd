"""Making one upload of several that were filled in parallel.

    1. It is agreed, durably, that the target is made of these parts and does not hold them yet. From here on it is
       neither appended to nor completed: after a crash its bytes are half of something.
    2. The target is cut to nothing; the parts are copied into it, slice by slice, and flushed.
    3. It is agreed, durably, that it holds them. This is the commit point.
    4. The parts are removed.

A crash before 3 leaves the parts as they were, and the same request does all of it again. A crash after 3 leaves parts
that nobody needs: the same request removes them, and so does the sweep of staging in time.

Beside the copying, what was copied before is flushed and hashed. The hash of the whole cannot be had from those of the
parts, and a target that was hashed while it lay in memory need not be read from the disk when it is completed.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from contextlib import suppress
from typing import Final
from uuid import UUID

from artstore_core.errors import ArtStoreError, Conflict

from storage_element.store.agreement import Agreement
from storage_element.store.capacity import Capacity
from storage_element.store.element import Element
from storage_element.store.ports import Disk, StagedReader, Writer
from storage_element.store.receive import too_large
from storage_element.store.upload import Upload
from storage_element.store.workers import Workers, settled

SLICE_BYTES: Final = 64 * 1024 * 1024
"""So much is copied by a worker thread before somebody else's work may have it."""

Agree = Callable[[Upload, Agreement], Awaitable[None]]
"""Makes an upload's agreement another one, durably."""


class Concatenation:
    """Steps 1 to 3. Whoever calls it keeps others away from the target and from the parts."""

    def __init__(
        self,
        disk: Disk,
        element: Element,
        capacity: Capacity,
        workers: Workers,
        agree: Agree,
        max_file_bytes: int,
    ) -> None:
        self._disk, self._element, self._agree = disk, element, agree
        self._capacity, self._workers, self._max_file_bytes = capacity, workers, max_file_bytes

    async def run(self, upload_id: UUID, target: Upload, parts: Sequence[UUID]) -> None:
        """Raises Conflict for a target with bytes of its own, FileTooLarge and StorageFull, and then takes no room."""
        if target.joined and (size := await self._measure(upload_id)):
            raise Conflict("The upload holds bytes already.", headers={"Upload-Offset": str(size)})
        total = sum([await self._measure(part) for part in parts])
        before = target.hold.size
        await self._hold_room(target, total)
        try:
            await self._agree(target, target.agreement.with_parts(tuple(parts), joined=False, received=0))
            await self._fill(upload_id, target, parts)
        except ArtStoreError:
            # What was promised when the upload was reserved stays promised; what was asked for on top of it does not.
            target.hold.size = max(before, target.hold.written)
            raise
        await self._agree(target, target.agreement.with_parts(tuple(parts), joined=True, received=total))

    async def _hold_room(self, target: Upload, total: int) -> None:
        """The parts lie on the disk until the end, so what they hold stays held and this comes on top."""
        most = self._max_file_bytes if target.size is None else min(target.size, self._max_file_bytes)
        if total > most:
            raise too_large(most)
        if total > target.hold.size:
            disk = await self._workers.look(self._disk.usage)
            self._capacity.grow(target.hold, total, self._element.used_bytes, disk)

    async def _fill(self, upload_id: UUID, target: Upload, parts: Sequence[UUID]) -> None:
        target.hold.written, target.hash_so_far = 0, None
        writer = await self._workers.run(self._disk.restart_upload, upload_id)
        try:
            beside = _Beside(writer, self._workers)
            try:
                for part in parts:
                    await self._add(part, target, writer, beside)
            finally:
                await beside.settle()
            await self._workers.run(_hash_and_flush, writer, writer.size)
            target.hash_so_far = writer.running()
        except ArtStoreError:
            with suppress(ArtStoreError):  # of no use to anybody; where it stays, the next try cuts it
                await self._workers.run(writer.take_back)
            target.hold.written = writer.size
            raise
        finally:
            await self._workers.run(self._disk.release, writer)

    async def _add(self, part: UUID, target: Upload, writer: Writer, beside: _Beside) -> None:
        reader: StagedReader = await self._workers.run(self._disk.open_upload, part)
        try:
            for offset in range(0, reader.size, SLICE_BYTES):
                length = min(SLICE_BYTES, reader.size - offset)
                await self._workers.run(writer.copy_from, reader.handle, offset, length)
                target.hold.written = writer.size
                await beside.settle_slice()
        finally:
            await self._workers.run(reader.close)

    async def _measure(self, upload_id: UUID) -> int:
        return await self._workers.run(self._disk.measure_upload, upload_id)


class _Beside:
    """Flushes and hashes one slice while the next is copied, and lets the copying get no further ahead than that."""

    def __init__(self, writer: Writer, workers: Workers) -> None:
        self._writer, self._workers = writer, workers
        self._done = 0
        self._work: asyncio.Future[None] | None = None

    async def settle_slice(self) -> None:
        """Begins with what was copied, once there is enough of it: parts may be small."""
        if self._writer.size - self._done >= SLICE_BYTES:
            await self.settle()
            self._done = self._writer.size
            self._work = self._workers.start(_hash_and_flush, self._writer, self._done)

    async def settle(self) -> None:
        """Waits for what is under way. Raises what it raised."""
        if self._work is not None:
            work, self._work = self._work, None
            await settled(work)


def _hash_and_flush(writer: Writer, until: int) -> None:
    writer.hash_on(until)
    writer.flush()

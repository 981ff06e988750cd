"""What all ways of storing a file end with, and all ways of reading one begin with."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from contextlib import suppress
from uuid import UUID

from artstore_core.attr_json import encode
from artstore_core.errors import FileDamaged, NotFound
from artstore_core.files import Attributes, File, FileStatus
from artstore_core.modes import Operation
from artstore_kit.spans import span

from storage_element.store import decisions
from storage_element.store.changes import INLINE_BYTES, Change, ChangeKind, Logged, Settled
from storage_element.store.commits import Outcome
from storage_element.store.decisions import Kept
from storage_element.store.element import Element
from storage_element.store.ports import Disk, Reader, Writer
from storage_element.store.readers import BytesReader, WatchedReader
from storage_element.store.workers import Workers, settled


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
        with span("flush file"):
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
        promised = self._promised(file_id)
        return await self._workers.look(self._disk.last_known, file_id) if promised is None else promised

    def last_known(self, file_id: UUID) -> Attributes:
        """The same, for a worker thread."""
        return self._promised(file_id) or self._disk.last_known(file_id)

    def _promised(self, file_id: UUID) -> Attributes | None:
        """What is logged and not in its place yet."""
        pending = self._element.commits.applying.get(file_id)
        if pending is None:
            return None
        if pending.change.kind is ChangeKind.PURGE or pending.change.attributes is None:
            raise NotFound("There is no such file.")
        return pending.change.attributes

    def open(self, record: Attributes) -> Reader:
        """The bytes, from wherever they are now; for a worker thread. Raises FileDamaged; that a file turns out to be so
        now is looked into beside the request."""
        if record.status is FileStatus.DAMAGED:
            raise FileDamaged("The file is damaged.")
        try:
            return WatchedReader(self._open(record), lambda: self._suspect(record.file_id))
        except FileDamaged:
            self._suspect(record.file_id)
            raise

    def _open(self, record: Attributes) -> Reader:
        promised = self._element.commits.applying.bytes_of(record.file_id)
        if promised is not None:
            if promised.change.body is not None:
                return BytesReader(promised.change.body)
            if promised.change.staged is not None:
                with suppress(FileDamaged):  # put into its place, and its name in staging gone, since we looked
                    return self._disk.open_staged(promised.change.staged, record)
        return self._open_at_rest(record)

    def _open_at_rest(self, record: Attributes) -> Reader:
        """Of a small file all is read while we are there, so that nobody need come back for it."""
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


def _is_logged(submitting: asyncio.Future[Outcome]) -> bool:
    if submitting.cancelled() or submitting.exception() is not None:
        return False
    return isinstance(submitting.result(), Logged)


def _kept(outcome: Outcome) -> Kept:
    if isinstance(outcome, Logged):
        return Kept(file_of(outcome), new=True)
    kept: Kept = outcome.value
    return kept


def file_of(outcome: Outcome) -> File:
    assert isinstance(outcome, Logged)
    assert outcome.change.attributes is not None
    return outcome.change.attributes.public()

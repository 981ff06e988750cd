"""What is logged goes into its place, in a thread of its own; until it is there, readers are served from here.

A change that a full disk did not take stays here, and in the log, and is tried again; changes of other files go past it.
Any other failure ends the applying: the log keeps what was promised, and the next opening of the disk does it.
"""

from __future__ import annotations

import asyncio
import threading
from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import chain
from typing import Final
from uuid import UUID

from artstore_core.errors import FileDamaged, StorageFull, StorageUnavailable

from storage_element.store.changes import ChangeKind, Logged
from storage_element.store.ports import Disk

RETRY_SECONDS: Final = 1.0
"""How often what a full disk did not take is tried again."""
AT_ONCE: Final = 64
"""So many changes are put into their places, and then make room for others. Whoever waits for room behind a batch of all
that is pending waits for seconds."""


@dataclass(frozen=True, slots=True)
class Bounds:
    """How much may be promised and not in its place: changes, and bytes of them in memory."""

    changes: int = 4096
    bytes: int = 64 * 1024 * 1024


class Applying:
    """From `start` to `stop`. `get` and the figures may be read from any thread."""

    def __init__(self, disk: Disk, loop: asyncio.AbstractEventLoop, bounds: Bounds) -> None:
        self._disk, self._loop, self._bounds = disk, loop, bounds
        self._changed = threading.Condition()
        self._queue: deque[Logged] = deque()
        self._stalled: list[Logged] = []
        self._pending: dict[UUID, Logged] = {}
        self._bodies: dict[UUID, Logged] = {}
        self._count = self._bytes = 0
        self._staged: list[tuple[int, str]] = []
        self._applied = self._highest = disk.index.applied
        self._readers: list[tuple[int, asyncio.Future[None]]] = []
        self._stopping = self._ended = False
        self._thread = threading.Thread(target=self._run, name="apply", daemon=True)
        self.broken: BaseException | None = None
        self._stored_bytes, self._promised_bytes = disk.index.used_bytes, 0

    @property
    def stalled(self) -> bool:
        """The disk is too full for what was promised: nothing more may be promised."""
        return bool(self._stalled)

    @property
    def takes_purges(self) -> bool:
        """They make room, so they go past what has none; not without end, where even they are held up."""
        return self._count < 2 * self._bounds.changes

    @property
    def holds_up_checkpoints(self) -> bool:
        """What is logged cannot be put into its place now: to wait for the log to become shorter would be for ever."""
        return self._holds_nobody_up()

    @property
    def inline_bytes(self) -> int:
        """What the disk still has to take of what is promised, beside the log."""
        return self._bytes

    @property
    def applied(self) -> int:
        """The last change up to which all are in their places: the feed must not go past one that is not."""
        return self._applied

    @property
    def used_bytes(self) -> int:
        """Of all files, those that are promised among them."""
        with self._changed:
            return self._stored_bytes + self._promised_bytes

    @property
    def count(self) -> int:
        return self._count

    def start(self) -> None:
        self._thread.start()

    def stop(self) -> None:
        """Applies what it can, and ends."""
        with self._changed:
            self._stopping = True
            self._changed.notify_all()
        self._thread.join()

    def get(self, file_id: UUID) -> Logged | None:
        """The last change of a file, while it is not in its place."""
        return self._pending.get(file_id)

    def bytes_of(self, file_id: UUID) -> Logged | None:
        """The PUT that has a file's bytes, while they are not in their place."""
        return self._bodies.get(file_id)

    def take(self, group: Sequence[Logged]) -> None:
        with self._changed:
            for logged in group:
                if logged.change.attributes is not None:
                    # Others are no changes of a file: an unfinished upload has the id of the file that it may become.
                    self._pending[logged.change.file_id] = logged
                if logged.change.kind is ChangeKind.PUT:
                    self._bodies[logged.change.file_id] = logged
                self._bytes += _weight(logged)
                self._promised_bytes += _file_bytes(logged)
            self._count += len(group)
            self._queue.extend(group)
            self._changed.notify_all()

    def wait_for_room(self) -> None:
        """Until no more is pending than may be. Raises StorageUnavailable when that will not be."""
        with self._changed:
            self._changed.wait_for(lambda: self._has_room() or self._ended or self._stalled)
        self.check()

    def wait_until(self, sequence: int) -> None:
        """Until all changes up to it are in their places. Raises StorageFull where the disk does not take them."""
        with self._changed:
            self._changed.wait_for(lambda: self._applied >= sequence or self._holds_nobody_up())
            if self._applied >= sequence:
                return
        self.check()
        raise StorageFull("The storage element is full.")

    async def reached(self, sequence: int) -> None:
        """The same for readers of the index, but that they do not wait for what a full disk does not take."""
        with self._changed:
            if self._applied >= sequence or self._holds_nobody_up():
                return
            future = self._loop.create_future()
            self._readers.append((sequence, future))
        await future

    def check(self) -> None:
        """Raises StorageUnavailable when nothing is applied any more."""
        if self.broken is not None:
            raise StorageUnavailable("The storage element takes no changes until it is restarted.", retry_after=30)

    def take_staged(self, sequence: int) -> list[str]:
        """Names in staging whose bytes have a second name by now, of changes up to this one."""
        with self._changed:
            taken = [name for number, name in self._staged if number <= sequence]
            self._staged = [(number, name) for number, name in self._staged if number > sequence]
            return taken

    def _has_room(self) -> bool:
        return self._count < self._bounds.changes and self._bytes < self._bounds.bytes

    def _run(self) -> None:
        try:
            while (batch := self._next()) is not None:
                self._apply_all(batch)
        except BaseException as error:  # noqa: BLE001  # whatever it is, somebody waits to hear of it
            self.broken = error
        finally:
            with self._changed:
                self._ended = True
                self._changed.notify_all()
                self._wake_readers()

    def _holds_nobody_up(self) -> bool:
        """What is not applied now may never be, or not for long."""
        return self._ended or bool(self._stalled)

    def _next(self) -> list[Logged] | None:
        with self._changed:
            if not self._queue and not self._stopping:
                self._changed.wait_for(
                    lambda: self._queue or self._stopping, timeout=RETRY_SECONDS if self._stalled else None
                )
            if self._stopping and not self._queue:
                return None
            # What is stalled is tried again with each batch: then everything is one.
            most = len(self._queue) if self._stalled else AT_ONCE
            return [self._queue.popleft() for _ in range(min(most, len(self._queue)))]

    def _apply_all(self, batch: Sequence[Logged]) -> None:
        self._disk.check()  # another element's disk may lie here by now
        done: list[Logged] = []
        stalled: dict[UUID, list[Logged]] = {}
        for logged in (*self._stalled, *batch):
            self._apply(logged, done, stalled)
        self._finish(done, sorted(chain.from_iterable(stalled.values()), key=_sequence))

    def _finish(self, done: list[Logged], stalled: list[Logged]) -> None:
        try:
            self._disk.index_changes(done)
        except StorageFull:
            stalled, done = sorted((*stalled, *done), key=_sequence), []
        self._settle(done, stalled)

    def _apply(self, logged: Logged, done: list[Logged], stalled: dict[UUID, list[Logged]]) -> None:
        file_id = logged.change.file_id
        if logged.change.kind is ChangeKind.PURGE:
            done.extend(stalled.pop(file_id, ()))  # what stood before it is superseded
        elif file_id in stalled:
            stalled[file_id].append(logged)
            return
        try:
            self._disk.apply(logged)
        except StorageFull:
            stalled.setdefault(file_id, []).append(logged)
            return
        except FileDamaged:
            pass  # its record is in place; reconcile tells of the bytes that went away under us
        done.append(logged)

    def _settle(self, done: Sequence[Logged], stalled: list[Logged]) -> None:
        with self._changed:
            for logged in done:
                if self._pending.get(logged.change.file_id) is logged:
                    del self._pending[logged.change.file_id]
                if self._bodies.get(logged.change.file_id) is logged:
                    del self._bodies[logged.change.file_id]
                self._bytes -= _weight(logged)
                self._promised_bytes -= _file_bytes(logged)
                if logged.change.staged is not None:
                    self._staged.append((logged.sequence, logged.change.staged))
                self._highest = max(self._highest, logged.sequence)
            self._applied = min((logged.sequence - 1 for logged in stalled), default=self._highest)
            self._count -= len(done)
            self._stored_bytes = self._disk.index.used_bytes
            self._stalled = stalled
            self._changed.notify_all()
            self._wake_readers()

    def _wake_readers(self) -> None:
        """With the lock held."""
        free = self._holds_nobody_up()
        woken = [future for sequence, future in self._readers if free or sequence <= self._applied]
        if woken:
            self._readers = [(sequence, future) for sequence, future in self._readers if future not in woken]
            self._loop.call_soon_threadsafe(_release, woken)


def _release(futures: Sequence[asyncio.Future[None]]) -> None:
    for future in futures:
        if not future.done():
            future.set_result(None)


def _sequence(logged: Logged) -> int:
    return logged.sequence


def _weight(logged: Logged) -> int:
    return len(logged.change.record) + len(logged.change.body or b"")


def _file_bytes(logged: Logged) -> int:
    attributes = logged.change.attributes
    return attributes.size if attributes is not None and logged.change.kind is ChangeKind.PUT else 0

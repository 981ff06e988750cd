"""The one way by which anything changes: decided, logged, acknowledged.

One thread decides and logs. It takes whatever waits, decides each change on the latest state of its file, and makes all
of them durable with one write and one flush; what comes meanwhile waits for the next group. So changes have one order,
and no file needs a lock.
"""

from __future__ import annotations

import asyncio
import threading
from collections import deque
from collections.abc import Callable, Sequence
from concurrent.futures import Future
from dataclasses import dataclass
from time import perf_counter
from typing import Any, Final
from uuid import UUID

from artstore_core.errors import ArtStoreError, NotFound, StorageFull, StorageUnavailable
from artstore_core.files import Attributes

from storage_element.store.applying import Applying, Bounds
from storage_element.store.changes import Change, ChangeKind, Logged, Settled
from storage_element.store.ports import Disk
from storage_element.store.workers import settled

MAX_GROUP_CHANGES: Final = 512
MAX_GROUP_BYTES: Final = 8 * 1024 * 1024
MAX_WAITING: Final = 2048
_BOUNDS: Final = Bounds()


Outcome = Logged | Settled
Decide = Callable[[Attributes | None], Change | Settled]
"""Takes the file as it stands (None: there is none). Runs in the committing thread: it must not wait for anything.
Raises ArtStoreError."""


@dataclass(slots=True)
class _Waiting:
    file_id: UUID
    decide: Decide
    future: asyncio.Future[Outcome]
    outcome: Outcome | BaseException | None = None
    on_group: bool = False
    """The outcome rests on what the group holds: it is true only if that becomes durable."""

    def deliver(self) -> None:
        if self.future.done():
            return
        if isinstance(self.outcome, BaseException):
            self.future.set_exception(self.outcome)
        elif self.outcome is not None:
            self.future.set_result(self.outcome)


class Commits:
    """Changes of one opened disk, from `start` to `stop`. `on_logged` hears of each group, in the committing thread,
    before the next one is decided, and how many seconds the log took for it; `on_failed` of one that did not become durable.

    While the log has more than `max_log_bytes`, changes wait for a checkpoint; where there cannot be one, they do not
    wait but are told why."""

    def __init__(
        self,
        disk: Disk,
        loop: asyncio.AbstractEventLoop,
        on_logged: Callable[[Sequence[Logged], float], None],
        max_log_bytes: int,
        bounds: Bounds = _BOUNDS,
        on_failed: Callable[[], None] = lambda: None,
    ) -> None:
        self._disk, self._loop, self._on_logged, self._max_log_bytes = disk, loop, on_logged, max_log_bytes
        self._on_failed = on_failed
        self.applying = Applying(disk, loop, bounds)
        self._more = threading.Condition()
        self._waiting: deque[_Waiting] = deque()
        self._between: deque[tuple[Callable[[], Any], Future[Any]]] = deque()
        self._turns = asyncio.Semaphore(MAX_WAITING)
        self._stopping = self._ended = False
        self._last = disk.index.applied
        self.no_checkpoint: ArtStoreError | None = None
        """Why the log does not become shorter now: nothing waits for that."""
        self._thread = threading.Thread(target=self._run, name="commit", daemon=True)

    @property
    def last_sequence(self) -> int:
        """Of the last change that was acknowledged."""
        return self._last

    def start(self) -> None:
        self.applying.start()
        self._thread.start()

    def stop(self) -> None:
        """Commits and applies what waits, and ends; what comes later is refused."""
        with self._more:
            self._stopping = True
            self._more.notify_all()
        self._thread.join()
        self.applying.stop()

    async def submit(self, file_id: UUID, decide: Decide) -> Outcome:
        """What was decided, once it would survive a power cut.

        Raises what `decide` raises, StorageFull and StorageUnavailable. A caller that is cancelled is so only once the
        outcome is known: until then nobody can say whose the bytes are.
        """
        async with self._turns:
            waiting = _Waiting(file_id, decide, self._loop.create_future())
            with self._more:
                if self._stopping:
                    raise _stopped()
                self._waiting.append(waiting)
                self._more.notify_all()
            return await settled(waiting.future)

    async def caught_up(self) -> None:
        """Until the index has everything that was acknowledged before this call."""
        await self.applying.reached(self._last)

    def between_groups(self, work: Callable[[], Any], *, after_stop: bool = False) -> Any:
        """Runs `work` in the committing thread while no group is under way; `after_stop` here, once that has ended.
        Blocks: for worker threads. Raises StorageUnavailable: the disk may be open anew, and not these commits' any
        more."""
        future: Future[Any] = Future()
        with self._more:
            ended = self._ended
            if not ended:
                self._between.append((work, future))
                self._more.notify_all()
        if ended and not after_stop:
            raise _stopped()
        return work() if ended else future.result()

    def look_again(self) -> None:
        """The log has become shorter, or will not."""
        with self._more:
            self._more.notify_all()

    def _run(self) -> None:
        while True:
            with self._more:
                self._more.wait_for(self._has_work)
                if not self._waiting and not self._between:
                    self._ended = True
                    return
                between = list(self._between)
                self._between.clear()
            for work, future in between:
                _run_into(work, future)
            if not between:
                self._commit_some()

    def _has_work(self) -> bool:
        if self._between:
            return True
        if self._stopping or not self._waiting:
            return self._stopping
        return not self._log_is_long() or self._no_checkpoint_comes()

    def _log_is_long(self) -> bool:
        return self._disk.log_bytes >= self._max_log_bytes

    def _no_checkpoint_comes(self) -> bool:
        return self.no_checkpoint is not None or self._disk.failed or self.applying.holds_up_checkpoints

    def _commit_some(self) -> None:
        batch: list[_Waiting] = []
        try:
            self.applying.wait_for_room()
            if self._log_is_long() and self.no_checkpoint is not None:
                raise self.no_checkpoint
            group = self._decide_some(batch)
            self._log(batch, group)
        except Exception as error:  # noqa: BLE001  # none of them may wait for ever
            for waiting in batch or self._all_waiting(batch):
                waiting.outcome = error
        self._loop.call_soon_threadsafe(_deliver, batch)

    def _all_waiting(self, batch: list[_Waiting]) -> list[_Waiting]:
        with self._more:
            batch.extend(self._waiting)
            self._waiting.clear()
        return batch

    def _decide_some(self, batch: list[_Waiting]) -> list[Change]:
        """Fills `batch` with what fits into one group, and gives the group."""
        group: list[Change] = []
        states: dict[UUID, Attributes | None] = {}
        weight = 0
        while len(batch) < MAX_GROUP_CHANGES and weight < MAX_GROUP_BYTES:
            with self._more:
                if not self._waiting:
                    break
                waiting = self._waiting.popleft()
            batch.append(waiting)
            change = self._decide(waiting, states)
            if change is not None:
                group.append(change)
                weight += len(change.record) + len(change.body or b"")
                if change.attributes is not None:
                    states[change.file_id] = None if change.kind is ChangeKind.PURGE else change.attributes
                if change.kind is ChangeKind.MODE:
                    break  # what comes after it is decided under the new mode, and that is not durable yet
        return group

    def _decide(self, waiting: _Waiting, states: dict[UUID, Attributes | None]) -> Change | None:
        waiting.on_group = waiting.file_id in states
        try:
            current = states[waiting.file_id] if waiting.on_group else self._current(waiting.file_id)
            decided = waiting.decide(current)
        except Exception as error:  # noqa: BLE001  # it concerns this change alone
            waiting.outcome = error
            return None
        if isinstance(decided, Settled):
            waiting.outcome = decided
            return None
        if self.applying.stalled and not (decided.kind is ChangeKind.PURGE and self.applying.takes_purges):
            waiting.outcome = StorageFull("The storage element is full.")
            return None
        return decided

    def _current(self, file_id: UUID) -> Attributes | None:
        pending = self.applying.get(file_id)
        if pending is not None:
            return None if pending.change.kind is ChangeKind.PURGE else pending.change.attributes
        try:
            return self._disk.last_known(file_id)
        except NotFound:
            return None

    def _log(self, batch: Sequence[_Waiting], group: Sequence[Change]) -> None:
        if not group:
            return
        try:
            began = perf_counter()
            logged = self._disk.append(group)
            seconds = perf_counter() - began
        except Exception as error:  # noqa: BLE001  # whatever it was, none of the group is acknowledged
            self._on_failed()
            for waiting in batch:
                if waiting.outcome is None or waiting.on_group:
                    waiting.outcome = error
            return
        self.applying.take(logged)
        self._last = logged[-1].sequence
        self._on_logged(logged, seconds)
        numbered = iter(logged)
        for waiting in batch:
            if waiting.outcome is None:
                waiting.outcome = next(numbered)


def _run_into(work: Callable[[], Any], future: Future[Any]) -> None:
    try:
        future.set_result(work())
    except BaseException as error:  # noqa: BLE001  # whoever waits hears of it
        future.set_exception(error)


def _deliver(batch: Sequence[_Waiting]) -> None:
    for waiting in batch:
        waiting.deliver()


def _stopped() -> StorageUnavailable:
    return StorageUnavailable("The storage element is closing.")

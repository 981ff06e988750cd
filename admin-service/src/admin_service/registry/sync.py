"""Syncs: the registry follows what the elements say of their files (requirements R3, R4).

One sync of one element at a time, across replicas; each can be killed at any point, and the next one is right.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass, replace
from datetime import timedelta
from time import monotonic
from typing import Final, Protocol

from artstore_core.errors import ArtStoreError, Conflict, NotFound
from artstore_kit.logs import get_logger
from artstore_kit.spans import apart

from admin_service.audit.log import Actor, Journal
from admin_service.identity.clock import Clock
from admin_service.registry.elements import StorageElement
from admin_service.registry.follow import follow
from admin_service.registry.run import Run
from admin_service.registry.syncs import (
    ListsOf,
    Position,
    PositionGone,
    Sync,
    SyncFailed,
    SyncHistory,
    SyncKind,
    SyncReason,
    SyncRows,
    SyncSession,
    SyncSessions,
    SyncStatus,
)
from admin_service.registry.walk import walk

AT_ONCE: Final = 4
"""So many elements are read at the same time."""
_ASKED_FOR: Final = frozenset({SyncReason.MANUAL, SyncReason.REBUILD})
_DROPPED_AT_ONCE: Final = 5000
_LOOKS: Final = 50
_LOOK_SECONDS: Final = 0.05
_INTERRUPT_SECONDS: Final = 2.0
_log = get_logger(__name__)


class SyncObserver(Protocol):
    """Whoever counts syncs."""

    def began(self, storage_id: str) -> None: ...

    def ended(self, storage_id: str, kind: SyncKind, sync: Sync | None, seconds: float) -> None:
        """`sync` None: nobody could write down how it ended."""
        ...


@dataclass(frozen=True, slots=True)
class Wanted:
    """`reset`: the element's rows are removed from the registry first."""

    reason: SyncReason
    by: Actor
    full: bool = False
    reset: bool = False


@dataclass(frozen=True, slots=True)
class Begun:
    """`task` ends with the sync, and gives its last row; None where another process, or another request, runs it."""

    sync: Sync
    task: asyncio.Task[Sync] | None


HistoryOf = Callable[[], AbstractAsyncContextManager[SyncHistory]]


class Syncs:
    """Begins syncs and carries them out. `full_every`: after so long a walk of all files is due, whatever the feed says:
    it mends what nobody thought of."""

    def __init__(
        self,
        sessions: SyncSessions,
        history: HistoryOf,
        lists: ListsOf,
        journal: Journal,
        clock: Clock,
        observer: SyncObserver,
        *,
        full_every: timedelta,
        at_once: int = AT_ONCE,
    ) -> None:
        self._sessions, self._history, self._lists = sessions, history, lists
        self._journal, self._clock, self._observer = journal, clock, observer
        self._full_every = full_every
        self._slots = asyncio.Semaphore(at_once)
        self._tasks: set[asyncio.Task[Sync]] = set()

    async def begin(self, storage_id: str, wanted: Wanted, *, wait: bool = False) -> Begun:
        """Returns once the sync has a row, its own or that of one that runs already (unless it is to `wait` for that
        one's end). Raises NotFound, AdminUnavailable."""
        for _ in range(_LOOKS):
            session = await self._sessions.open(storage_id, wait=wait)
            if session is not None:
                return await self._begin(session, wanted)
            async with self._history() as history:
                running = await history.running(storage_id)
            if running is not None:
                return Begun(running, None)
            # Whoever has the lock has no row yet, or no more.
            await asyncio.sleep(_LOOK_SECONDS)
        raise Conflict("Another sync of this storage element is about to begin", headers={"Retry-After": "5"})

    async def close(self) -> None:
        """Cancels what runs here; it is noted as interrupted."""
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    async def _begin(self, session: SyncSession, wanted: Wanted) -> Begun:
        try:
            async with session.transaction() as rows:
                element, sync = await self._start(rows, wanted)
        except BaseException:
            await session.close()
            raise
        run = Run(session, self._lists(element), element, sync.kind, sync.reason)
        with apart():
            task = asyncio.create_task(self._carry_out(run, sync, wanted), name=f"sync {element.storage_id}")
        self._tasks.add(task)
        task.add_done_callback(self._done)
        return Begun(sync, task)

    def _done(self, task: asyncio.Task[Sync]) -> None:
        self._tasks.discard(task)
        error = None if task.cancelled() else task.exception()
        if isinstance(error, ArtStoreError):
            _log.warning("a sync broke off", task=task.get_name(), reason=error.message)
        elif error is not None:
            _log.error("a sync broke off", task=task.get_name(), exc_info=error)

    async def _start(self, rows: SyncRows, wanted: Wanted) -> tuple[StorageElement, Sync]:
        element = await rows.element()
        if element is None:
            raise NotFound("There is no such storage element")
        reason, full = wanted.reason, wanted.full or wanted.reset
        if _position_of(element) is None:
            full = True
        elif element.synced_sequence and not await rows.has_files():
            # Somebody emptied the registry, and left the list of elements.
            reason, full = _unless_asked_for(reason), True
        elif not full:
            last = await rows.last_full()
            full = last is None or last + self._full_every <= self._clock()
        sync = await rows.start(reason, SyncKind.FULL if full else SyncKind.CHANGES, wanted.by.subject)
        if wanted.reason in _ASKED_FOR:
            await self._journal.done(
                rows.audit, wanted.by, "sync.requested", element.storage_id, kind=sync.kind.value, reset=wanted.reset
            )
        return element, sync

    async def _carry_out(self, run: Run, sync: Sync, wanted: Wanted) -> Sync:
        storage_id, started, ended = run.element.storage_id, monotonic(), None
        self._observer.began(storage_id)
        try:
            async with self._slots:
                error = await self._tried(run, wanted)
            async with run.session.transaction() as rows:
                await rows.progress(run.kind, run.reason, replace(run.tally, requests=run.requests))
                ended = await rows.finish(SyncStatus.FAILED if error else SyncStatus.SUCCEEDED, error)
            _tell(ended)
            return ended
        finally:
            try:
                await run.session.close()
            finally:
                # Also where the session's connection is lost: nobody else would ever count this sync as over.
                self._observer.ended(storage_id, run.kind, ended, monotonic() - started)
                if ended is None:
                    await self._interrupted(sync)

    async def _tried(self, run: Run, wanted: Wanted) -> str | None:
        """Why it failed, in words for an operator."""
        try:
            if wanted.reset:
                await _empty(run)
            await self._sync(run)
        except SyncFailed as error:
            return str(error)
        return None

    async def _sync(self, run: Run) -> None:
        info = await run.info()
        position = _position_of(run.element)
        if position is not None and info.epoch == position.epoch and (info.sequence or 0) < position.sequence:
            # The registry has seen changes that the element never made: one of the two was set back.
            run.kind, run.reason = SyncKind.FULL, _unless_asked_for(run.reason)
        if run.kind is SyncKind.CHANGES and position is not None:
            try:
                reached = await follow(run, position)
            except PositionGone:
                run.kind = SyncKind.FULL
                info = await run.info()
        if run.kind is SyncKind.FULL:
            reached = await walk(run, info)
        async with run.session.transaction() as rows:
            await rows.set_position(reached, finished=True)

    async def _interrupted(self, sync: Sync) -> None:
        """So that nobody takes it for running; where that fails, the next sync sees to it."""
        try:
            async with asyncio.timeout(_INTERRUPT_SECONDS), self._history() as history:
                await history.interrupt(sync.id)
        except (ArtStoreError, TimeoutError) as error:
            _log.warning("an interrupted sync could not be noted", storage_id=sync.storage_id, reason=str(error))


def _unless_asked_for(reason: SyncReason) -> SyncReason:
    return SyncReason.RESTORED if reason is SyncReason.SCHEDULE else reason


async def _empty(run: Run) -> None:
    async with run.session.transaction() as rows:
        await rows.set_position(None, finished=False)
    while await run.session.retried(lambda rows: rows.drop_files(_DROPPED_AT_ONCE)):
        pass


def _position_of(element: StorageElement) -> Position | None:
    if element.synced_epoch is None or element.synced_sequence is None:
        return None
    return Position(element.synced_epoch, element.synced_sequence)


def _tell(sync: Sync) -> None:
    facts = {
        name: getattr(sync, name)
        for name in ("storage_id", "files_read", "files_added", "files_updated", "files_deleted", "requests")
    }
    if sync.error is not None:
        _log.warning("sync failed", reason=sync.error, **facts)
    elif sync.conflicts or sync.files_refused:
        _log.warning("sync ended, with doubts", conflicts=sync.conflicts, refused=sync.files_refused, **facts)
    else:
        _log.info("sync ended", kind=sync.kind.value, **facts)

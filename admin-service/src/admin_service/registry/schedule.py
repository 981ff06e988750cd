"""When which element is synced (requirements R3, R4): by the clock, and by what was learnt of it."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from contextlib import AbstractAsyncContextManager, suppress
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Final, Protocol

from artstore_core.elements import ElementStatus
from artstore_core.errors import ArtStoreError, NotFound
from artstore_kit.logs import get_logger

from admin_service.audit.log import SYSTEM, Actor
from admin_service.identity.clock import Clock
from admin_service.registry.elements import ElementRows, StorageElement
from admin_service.registry.sync import Begun, Wanted
from admin_service.registry.syncs import Position, Sync, SyncReason, SyncStatus

BEGUN_AT_ONCE: Final = 8
"""Each holds a connection to the database, also while it waits for its turn."""
BEHIND: Final = timedelta(minutes=5)
"""An element that has changes which the registry did not follow for so long is due: files are registered as they are
uploaded, so most of these changes are known already, and only what was missed waits."""
_FIRST_PAUSE: Final = timedelta(seconds=15)
_LONGEST_PAUSE: Final = timedelta(minutes=15)
_ASKED_KEPT: Final = timedelta(minutes=1)
"""What is asked for may name an element whose transaction is about to be committed."""
_MOST_ASKED: Final = 1000
_log = get_logger(__name__)


class BeginsSyncs(Protocol):
    """registry.sync.Syncs."""

    async def begin(self, storage_id: str, wanted: Wanted, *, wait: bool = False) -> Begun: ...


class FollowObserver(Protocol):
    def followed(self, elements: dict[str, datetime | None]) -> None:
        """Which elements there are, and when the registry last had all of each."""
        ...


@dataclass(slots=True)
class _Known:
    """What this process remembers of an element. `position` is what the registry had reached when it was looked at last;
    `wanted` is what is due and not begun yet."""

    online: bool = False
    position: Position | None = None
    wanted: Wanted | None = None
    failures: int = 0
    not_before: datetime | None = None
    task: asyncio.Task[Sync] | None = None

    def want(self, wanted: Wanted | None) -> None:
        if wanted is not None and (self.wanted is None or wanted.full):
            self.wanted = wanted

    def may_begin(self, now: datetime) -> bool:
        paused = self.not_before is not None and self.not_before > now
        return self.online and self.wanted is not None and self.task is None and not paused


@dataclass(frozen=True, slots=True)
class _Asked:
    reason: SyncReason
    by: Actor
    at: datetime


@dataclass(slots=True)
class SyncSchedule:
    """Looks at the element list every few seconds, as the poller left it, and begins what is due. membership.SyncRequests.

    Every replica has one. Who comes second finds the element locked, or followed already.
    """

    rows: Callable[[], AbstractAsyncContextManager[ElementRows]]
    syncs: BeginsSyncs
    clock: Clock
    every: timedelta
    observer: FollowObserver
    _known: dict[str, _Known] = field(default_factory=dict)
    _asked: dict[str, _Asked] = field(default_factory=dict)
    _wake: asyncio.Event = field(default_factory=asyncio.Event)

    async def ask(self, storage_id: str, reason: SyncReason, by: Actor) -> None:
        if len(self._asked) < _MOST_ASKED:
            self._asked[storage_id] = _Asked(reason, by, self.clock())
        self._wake.set()

    async def run(self, look_seconds: float) -> None:
        """Until cancelled."""
        while True:
            try:
                await self.look()
            except ArtStoreError as error:
                _log.warning("syncs not scheduled", reason=error.message)
            except Exception:  # noqa: BLE001
                # Whatever it was: without this loop no registry would follow its elements any more.
                _log.exception("syncs not scheduled")
            with suppress(TimeoutError):
                async with asyncio.timeout(look_seconds):
                    await self._wake.wait()
            self._wake.clear()

    async def look(self) -> None:
        """Begins what is due now."""
        async with self.rows() as rows:
            elements = await rows.every()
        self.observer.followed({element.storage_id: element.synced_at for element in elements})
        there = {element.storage_id for element in elements}
        self._known = {storage_id: known for storage_id, known in self._known.items() if storage_id in there}
        oldest = self.clock() - _ASKED_KEPT
        self._asked = {name: asked for name, asked in self._asked.items() if name in there or asked.at > oldest}
        for element in elements:
            known = self._known.setdefault(element.storage_id, _Known())
            known.want(self._due(element, known))
            known.online = element.status is ElementStatus.ONLINE
            known.position = _position_of(element)
            if known.may_begin(self.clock()) and self._running() < BEGUN_AT_ONCE:
                await self._begin(element.storage_id, known)

    def _due(self, element: StorageElement, known: _Known) -> Wanted | None:
        """Unreachable elements are not tried; one that is back is due at once."""
        position = _position_of(element)
        if _went_back(known.position, position):
            # The database is not the one that was: somebody restored an older one, or emptied it.
            return Wanted(SyncReason.RESTORED, SYSTEM, full=True)
        if asked := self._asked.pop(element.storage_id, None):
            return Wanted(asked.reason, asked.by, full=asked.reason is not SyncReason.SCHEDULE)
        if element.status is not ElementStatus.ONLINE:
            return None
        by_itself = Wanted(SyncReason.SCHEDULE if position else SyncReason.REGISTERED, SYSTEM)
        if not known.online:
            known.failures, known.not_before = 0, None
            return by_itself
        age = self.clock() - element.synced_at if element.synced_at else self.every
        moved = position is None or element.sequence != position.sequence
        other = position is None or element.epoch != position.epoch
        return by_itself if other or age >= self.every or (moved and age >= BEHIND) else None

    def _running(self) -> int:
        return sum(known.task is not None for known in self._known.values())

    async def _begin(self, storage_id: str, known: _Known) -> None:
        wanted, known.wanted = known.wanted, None
        if wanted is None:
            return
        try:
            begun = await self.syncs.begin(storage_id, wanted)
        except NotFound:
            return
        except ArtStoreError as error:
            self._failed(known, wanted)
            _log.warning("sync not begun", storage_id=storage_id, reason=error.message)
            return
        if begun.task is None:
            # Whoever runs it may have begun before what is wanted here was known.
            known.wanted = wanted if wanted.full else None
            return
        known.task = begun.task
        begun.task.add_done_callback(lambda task: self._ended(known, wanted, task))

    def _ended(self, known: _Known, wanted: Wanted, task: asyncio.Task[Sync]) -> None:
        known.task = None
        if task.cancelled() or task.exception() is not None or task.result().status is not SyncStatus.SUCCEEDED:
            self._failed(known, wanted)
        else:
            known.failures, known.not_before = 0, None
        self._wake.set()

    def _failed(self, known: _Known, wanted: Wanted) -> None:
        known.want(wanted)
        known.failures += 1
        known.not_before = self.clock() + min(_FIRST_PAUSE * 2 ** min(known.failures - 1, 10), _LONGEST_PAUSE)


def _position_of(element: StorageElement) -> Position | None:
    if element.synced_epoch is None or element.synced_sequence is None:
        return None
    return Position(element.synced_epoch, element.synced_sequence)


def _went_back(before: Position | None, now: Position | None) -> bool:
    if before is None:
        return False
    return now is None or (now.epoch == before.epoch and now.sequence < before.sequence)

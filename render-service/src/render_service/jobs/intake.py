"""The registry's events become jobs, each exactly once.

Every worker follows the outbox, so that none is needed more than another. What a batch makes of the queue and the position
behind it are one transaction, and one worker at a time is in it: who comes second finds the position ahead and leaves out
what was done.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator, Sequence
from contextlib import aclosing
from typing import Final, Protocol
from uuid import UUID

from artstore_core.files import FileStatus
from artstore_kit.logs import get_logger
from artstore_outbox import Event, Events, Lost, News, Position, Positions

from render_service.decoders.contract import MediaKind
from render_service.decoders.kinds import kind_of
from render_service.jobs.job import Candidate, Priority
from render_service.jobs.ports import Ledger

_log = get_logger(__name__)

BATCH: Final = 500
_FIRST: Final = UUID(int=0)
_GONE: Final = frozenset({FileStatus.DELETED, FileStatus.EXPIRED})


class Follows(Protocol):
    """artstore_outbox.Follower."""

    def follow(self, positions: Positions) -> AsyncGenerator[News, None]: ...


class Intake:
    def __init__(self, follower: Follows, ledger: Ledger) -> None:
        self._follower, self._ledger = follower, ledger

    async def load(self) -> Position | None:
        """artstore_outbox.Positions."""
        async with self._ledger.writing() as registrations:
            return await registrations.position()

    async def follow(self) -> None:
        """Until cancelled. Raises StorageUnavailable when the database is away: begin again, nothing is lost."""
        async with aclosing(self._follower.follow(self)) as heard:
            async for news in heard:
                match news:
                    case Events(events, position):
                        await self._take(events, position)
                    case Lost(why, position):
                        _log.info("the registry is read anew", why=why)
                        await self._read_everything()
                        await self._keep(position)

    async def _take(self, events: Sequence[Event], position: Position) -> None:
        async with self._ledger.writing() as registrations:
            kept = await registrations.position()
            fresh = [event for event in events if not _covered(kept, position.origin, event.transaction_id, event.id)]
            if not fresh:
                return
            ids = list(dict.fromkeys(UUID(event.subject) for event in fresh if event.kind.startswith("file.")))
            found = await registrations.named(ids)
            # Not what the events say but what the registry says now: an event may be older than that.
            gone = set(ids) - {file.file_id for file in found if file.status not in _GONE}
            await registrations.forget(sorted(gone))
            await registrations.register(_wanted(found), Priority.REGISTERED)
            await registrations.keep(position)

    async def _read_everything(self) -> None:
        """In batches of their own: to be broken off and begun again costs only time."""
        after = _FIRST
        while True:
            async with self._ledger.writing() as registrations:
                files = await registrations.next_files(after, BATCH)
                await registrations.register(_wanted(files), Priority.CATCH_UP)
            if not files:
                break
            after = files[-1].file_id
        after = _FIRST
        while True:
            async with self._ledger.writing() as registrations:
                orphans = await registrations.next_orphans(after, BATCH)
                await registrations.forget(orphans)
            if not orphans:
                break
            after = orphans[-1]

    async def _keep(self, position: Position) -> None:
        async with self._ledger.writing() as registrations:
            if not _covered(await registrations.position(), *position):
                await registrations.keep(position)


def _covered(kept: Position | None, origin: str, transaction_id: int, number: int) -> bool:
    return kept is not None and kept.origin == origin and (transaction_id, number) <= kept[1:]


def _wanted(files: Sequence[Candidate]) -> list[tuple[Candidate, MediaKind]]:
    """Damaged files keep what was made of them, and get nothing new."""
    kinds = ((file, kind_of(file.content_type)) for file in files)
    return [(file, kind) for file, kind in kinds if kind is not None and file.status is FileStatus.ACTIVE]

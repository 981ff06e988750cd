"""What a sync is, and what it asks of the world: an element's lists, and a session in the database (requirements R3, R4)."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping, Sequence
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Final, NamedTuple, Protocol, TypeVar
from uuid import UUID

from artstore_core.elements import ElementInfo

from admin_service.audit.log import AuditRows
from admin_service.registry.elements import StorageElement
from admin_service.registry.files import HeldFile
from admin_service.registry.listed import Refused

EXAMPLES: Final = 100
"""So many conflicts, and so many refused files, are named in a sync's report; all are counted."""

T = TypeVar("T")


class SyncKind(StrEnum):
    FULL = "full"
    CHANGES = "changes"


class SyncReason(StrEnum):
    SCHEDULE = "schedule"
    MANUAL = "manual"
    REGISTERED = "registered"
    RESTORED = "restored"
    REBUILD = "rebuild"


class SyncStatus(StrEnum):
    RUNNING = "running"
    SUCCEEDED = "succeeded"
    FAILED = "failed"
    INTERRUPTED = "interrupted"


class SyncFailed(Exception):
    """Why a sync could not go on, in words for an operator. What it did until then stands."""


class PositionGone(Exception):
    """The element's feed says nothing from this position on: all files must be walked."""


class AnswerTooLong(Exception):
    """A page is longer than anybody wants in memory: ask for fewer files."""


@dataclass(frozen=True, slots=True)
class Sync:
    """One sync as the history keeps it. `files_refused` are on the element, and cannot stand in the registry."""

    id: UUID
    storage_id: str
    kind: SyncKind
    reason: SyncReason
    status: SyncStatus
    requested_by: str
    started_at: datetime
    updated_at: datetime
    ended_at: datetime | None
    files_read: int
    files_added: int
    files_updated: int
    files_deleted: int
    files_refused: int
    refused_examples: Sequence[Mapping[str, str]]
    conflicts: int
    conflict_examples: Sequence[Mapping[str, str]]
    requests: int
    error: str | None


class Conflict(NamedTuple):
    """A file that the registry has on another element."""

    file_id: UUID
    held_by: str


class Written(NamedTuple):
    """What one page did to the registry."""

    added: int
    updated: int
    deleted: int
    conflicts: int
    examples: Sequence[Conflict]
    refused: Sequence[Refused]


@dataclass(frozen=True, slots=True)
class Tally:
    """What one sync did until now. The examples are bounded."""

    files_read: int = 0
    files_added: int = 0
    files_updated: int = 0
    files_deleted: int = 0
    files_refused: int = 0
    refused_examples: Sequence[Mapping[str, str]] = ()
    conflicts: int = 0
    conflict_examples: Sequence[Mapping[str, str]] = ()
    requests: int = 0

    def plus(self, read: int, refused: Sequence[Refused], written: Written) -> Tally:
        """After one more page, of which `refused` could not even be read."""
        refused = [*refused, *written.refused]
        why = [{"file_id": str(one.file_id), "why": one.why} for one in refused]
        held = [{"file_id": str(one.file_id), "storage_element_id": one.held_by} for one in written.examples]
        return Tally(
            files_read=self.files_read + read,
            files_added=self.files_added + written.added,
            files_updated=self.files_updated + written.updated,
            files_deleted=self.files_deleted + written.deleted,
            files_refused=self.files_refused + len(refused),
            refused_examples=[*self.refused_examples, *why][:EXAMPLES],
            conflicts=self.conflicts + written.conflicts,
            conflict_examples=[*self.conflict_examples, *held][:EXAMPLES],
            requests=self.requests,
        )


class Position(NamedTuple):
    """Up to which change of its feed an element was followed."""

    epoch: UUID
    sequence: int


class ElementLists(Protocol):
    """One element's own word. All raise registry.elements.ElementUnreachable."""

    async def info(self) -> ElementInfo: ...

    async def files(self, after: UUID | None, limit: int) -> bytes:
        """JSON of the files behind that key. Raises AnswerTooLong."""
        ...

    async def changes(self, after: int, epoch: UUID | None, limit: int) -> bytes:
        """JSON of what changed after that number. Raises PositionGone, AnswerTooLong."""
        ...


ListsOf = Callable[[StorageElement], ElementLists]


class SyncRows(Protocol):
    """What a sync may do to the database, within one transaction, for its own element and no other."""

    @property
    def audit(self) -> AuditRows: ...

    async def element(self) -> StorageElement | None: ...

    async def has_files(self) -> bool: ...

    async def last_full(self) -> datetime | None:
        """When a walk of all files last came to its end."""
        ...

    async def start(self, reason: SyncReason, kind: SyncKind, by: str) -> Sync:
        """A new row, `running`. One that a dead process left running is `interrupted` now; the oldest history goes."""
        ...

    async def put(self, files: Sequence[HeldFile]) -> Written:
        """Adds and updates, all at once. Rows that say the same already are not touched; nor are rows of a higher
        revision, rows on other elements, and rows that were marked deleted since the sync began, in this revision."""
        ...

    async def note_absent(self, after: UUID | None, until: UUID | None, present: Sequence[UUID]) -> None:
        """Notes the element's rows behind `after`, up to `until`, that are not `present` and were not touched since the
        sync began."""
        ...

    async def forget_absent(self, present: Sequence[UUID]) -> None:
        """They are there after all."""
        ...

    async def mark_absent(self, limit: int) -> tuple[int, int]:
        """Takes so many of those that were noted, and marks them deleted where they are still this element's and were
        not touched since the sync began. How many were taken, how many marked."""
        ...

    async def drop_files(self, limit: int) -> int:
        """Removes so many of the element's rows from the registry; how many there were."""
        ...

    async def set_position(self, position: Position | None, *, finished: bool) -> None:
        """How far the element has been followed; `finished`: all there was to follow."""
        ...

    async def progress(self, kind: SyncKind, reason: SyncReason, tally: Tally) -> None: ...

    async def finish(self, status: SyncStatus, error: str | None) -> Sync:
        """Nothing noted as absent stays."""
        ...


class SyncSession(Protocol):
    """While it is open, nobody else syncs this element: not here, and not in another replica.

    The lock belongs to the very connection that writes. Where that connection is lost the lock is free, and nothing more
    can be written here.
    """

    def transaction(self) -> AbstractAsyncContextManager[SyncRows]: ...

    async def retried(self, work: Callable[[SyncRows], Awaitable[T]]) -> T:
        """A transaction that is tried again where the database took it for the victim of a deadlock."""
        ...

    async def close(self) -> None: ...


class SyncSessions(Protocol):
    async def open(self, storage_id: str, *, wait: bool) -> SyncSession | None:
        """None where another sync of this element runs; or waits until it has ended. Raises AdminUnavailable."""
        ...


class SyncHistory(Protocol):
    """What is known of syncs, within one transaction."""

    async def running(self, storage_id: str) -> Sync | None: ...

    async def page(self, storage_id: str, *, limit: int, offset: int) -> tuple[Sequence[Sync], int]:
        """Newest first."""
        ...

    async def interrupt(self, sync_id: UUID) -> None:
        """A sync of this process that was cancelled, unless it has ended."""
        ...

"""A job: the making of one file's previews."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import IntEnum, StrEnum
from typing import Any, Final
from uuid import UUID

from artstore_core.files import FileStatus
from artstore_core.modes import Mode

from render_service.decoders.contract import MediaKind

_IN_PAGES: Final = frozenset({MediaKind.PDF, MediaKind.OFFICE})


class State(StrEnum):
    WAITING = "waiting"
    CONVERTING = "converting"
    READY = "ready"
    FAILED = "failed"
    """Until somebody retries it: the dead letters."""


class Priority(IntEnum):
    """Who goes first."""

    CATCH_UP = 0
    """Registered before this service was there."""
    REGISTERED = 10
    ASKED = 50
    """By `POST /api/v1/render-jobs`, or retried."""
    WATCHED = 100
    """Somebody looks at it now."""


@dataclass(frozen=True, slots=True)
class Job:
    """`generation` counts how often its previews were to be made anew; `done` of `total` are pages or pictures."""

    id: UUID
    file_id: UUID
    checksum: str
    media: str
    state: State
    priority: int
    generation: int
    attempts: int
    created_at: datetime
    updated_at: datetime
    run: UUID | None = None
    done: int = 0
    total: int | None = None
    reason: str | None = None
    permanent: bool = False
    technical: Mapping[str, Any] = field(default_factory=dict)

    @property
    def progress(self) -> str | None:
        """For people; None before it is known how much there is to do."""
        if not self.total:
            return None
        pages = " pages" if self.media in _IN_PAGES else ""
        return f"{self.done} of {self.total}{pages}"


@dataclass(frozen=True, slots=True)
class Candidate:
    """A file of the registry, as far as it matters whether it gets previews."""

    file_id: UUID
    original_filename: str
    content_type: str
    checksum: str
    status: FileStatus
    expires_at: datetime | None


@dataclass(frozen=True, slots=True)
class Home:
    """The storage element that has the bytes. `mode` is None before admin ever reached it."""

    storage_id: str
    url: str
    mode: Mode | None


@dataclass(frozen=True, slots=True)
class Source(Candidate):
    """The same file, and where its bytes are. `size` in bytes."""

    size: int
    home: Home

    def is_readable(self, now: datetime) -> bool:
        """Whether readers may see it: deleted and expired files are gone for them."""
        return self.status in (FileStatus.ACTIVE, FileStatus.DAMAGED) and not (
            self.expires_at is not None and self.expires_at <= now
        )

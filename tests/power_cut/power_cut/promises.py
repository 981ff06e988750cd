"""What was asked of the element and what it answered, with the times: so also what it owes to anybody at any moment.

Times are nanoseconds of CLOCK_MONOTONIC. A change is *promised* from the moment its answer has arrived. From the moment
it was sent until then it may be there or not: but never in part.
"""

from __future__ import annotations

import json
from dataclasses import dataclass, field, replace
from functools import cached_property
from hashlib import sha256
from random import Random
from typing import Any, Final
from uuid import UUID

ACTIVE: Final = "active"
DELETED: Final = "deleted"


@dataclass(frozen=True)
class Content:
    """Bytes that need not be kept, since they can be made again."""

    seed: int
    size: int

    def data(self) -> bytes:
        return Random(self.seed).randbytes(self.size)

    @cached_property
    def checksum(self) -> str:
        return sha256(self.data()).hexdigest()


@dataclass(frozen=True, slots=True)
class State:
    """What a reader of a file's record sees. Of a deleted file only that it is, and of what: the rest binds nobody."""

    original_filename: str
    size: int
    checksum: str
    description: str | None
    tags: tuple[str, ...]
    metadata: str
    revision: int
    status: str = ACTIVE

    @classmethod
    def of(cls, record: dict[str, Any]) -> State:
        """From the JSON of a File, or of an attr.json. Raises KeyError where a field is missing."""
        seen = cls(
            record["original_filename"],
            record["size"],
            record["checksum"],
            record["description"],
            tuple(record["tags"]),
            json.dumps(record["metadata"], sort_keys=True),
            record["revision"],
            record["status"],
        )
        return seen.deleted() if seen.status == DELETED else seen

    def deleted(self) -> State:
        return replace(self, description=None, tags=(), metadata="{}", revision=0, status=DELETED)


@dataclass(slots=True)
class Step:
    """One change: what it makes of the file, when it was sent, and when its answer was there (None: never)."""

    state: State
    sent: int
    answered: int | None = None


@dataclass
class FileHistory:
    """One file. One client works on it, so its steps follow each other."""

    content: Content
    steps: list[Step] = field(default_factory=list)

    def possible(self, moment: int) -> list[State | None]:
        """What may be found after a power cut at `moment`; None is no file at all."""
        found: list[State | None] = [None]
        for step in self.steps:
            if step.sent > moment:
                break
            if step.answered is not None and step.answered <= moment:
                found.clear()
            found.append(step.state)
        return found

    def is_promised(self, moment: int) -> bool:
        return None not in self.possible(moment)

    def changed(self, moment: int) -> int:
        """When it was last touched, by `moment`."""
        return max((step.sent for step in self.steps if step.sent <= moment), default=0)


@dataclass(slots=True)
class Append:
    """An upload ends at `offset` once this is done; the first of an upload is its beginning, at 0."""

    offset: int
    sent: int
    answered: int | None = None


@dataclass
class UploadHistory:
    """An upload in steps. Its completion is the first step of a file of the same id."""

    content: Content
    appends: list[Append] = field(default_factory=list)

    def offsets(self, moment: int) -> tuple[int, int] | None:
        """The least and the most that may be there after a power cut at `moment`; None when there may be no upload."""
        answered = [one.offset for one in self.appends if one.answered is not None and one.answered <= moment]
        sent = [one.offset for one in self.appends if one.sent <= moment]
        return (max(answered), max(sent)) if answered else None


@dataclass(frozen=True, slots=True)
class Heard:
    """What a reader of the change feed was told: from then on it is his, and stays true while the epoch does."""

    answered: int
    epoch: str
    file_id: UUID
    sequence: int
    revision: int


@dataclass
class Ledger:
    """Everything that was asked and answered."""

    files: dict[UUID, FileHistory] = field(default_factory=dict)
    uploads: dict[UUID, UploadHistory] = field(default_factory=dict)
    heard: list[Heard] = field(default_factory=list)

    @property
    def answered(self) -> list[tuple[int, int]]:
        """When each change that was acknowledged was sent, and when its answer was there; in the order of the answers."""
        steps = [step for file in self.files.values() for step in file.steps]
        appends = [append for upload in self.uploads.values() for append in upload.appends]
        changes: list[Step | Append] = [*steps, *appends]
        found = [(one.sent, one.answered) for one in changes if one.answered is not None]
        return sorted(found, key=lambda one: one[1])

"""The registry of files: a secondary index over what the elements' attr.json say (requirement R2)."""

from __future__ import annotations

from collections.abc import Sequence
from enum import Enum, StrEnum, auto
from typing import Annotated, Final, Protocol
from uuid import UUID

from artstore_core.elements import StorageId
from artstore_core.errors import Conflict, NotFound, ValidationFailed
from artstore_core.files import ContentType, Description, File, Filename, FileStatus, Metadata, Subject, Tags
from pydantic import Field

LARGEST_INTEGER: Final = 2**31 - 1
LARGEST_FILE: Final = 2**50 - 1
"""Bytes: a pebibyte. Thousands of such files still add up to what an account's usage can be counted in, a bigint."""


class HeldFile(File):
    """A file as PostgreSQL can hold it: what it could not is refused here, whoever says it."""

    original_filename: Filename
    content_type: ContentType
    uploaded_by: Subject
    description: Description | None = None
    tags: Tags = Field(default=[])
    metadata: Metadata = Field(default={})
    size: Annotated[int, Field(ge=0, le=LARGEST_FILE)]
    ttl_days: Annotated[int, Field(ge=-LARGEST_INTEGER, le=LARGEST_INTEGER)] | None = None
    revision: Annotated[int, Field(ge=1, le=LARGEST_INTEGER)] = 1


class RegisteredFile(HeldFile):
    """A file and where it is."""

    storage_element_id: StorageId


class Put(Enum):
    ADDED = auto()
    UPDATED = auto()
    ELSEWHERE = auto()
    NO_ELEMENT = auto()
    NOT_HELD = auto()
    """PostgreSQL cannot hold it. Only where several files are put together; one alone raises."""


class Outcome(StrEnum):
    """What became of one of several files that were registered together. `conflict` and `refused`: nothing."""

    ADDED = "added"
    UPDATED = "updated"
    CONFLICT = "conflict"
    REFUSED = "refused"


_OUTCOMES: Final = {
    Put.ADDED: Outcome.ADDED,
    Put.UPDATED: Outcome.UPDATED,
    Put.ELSEWHERE: Outcome.CONFLICT,
    Put.NO_ELEMENT: Outcome.REFUSED,
    Put.NOT_HELD: Outcome.REFUSED,
}


class FileRows(Protocol):
    async def put(self, file: RegisteredFile) -> Put:
        """Adds the file, or updates the row when this revision is not older.

        A row that is bound to another element is left as it is.
        """
        ...

    async def put_together(self, files: Sequence[RegisteredFile]) -> Sequence[Put]:
        """As if each were put after the one before, in a few statements; one that cannot be held keeps no other out."""
        ...

    async def get(self, file_id: UUID) -> RegisteredFile | None: ...

    async def mark_deleted(self, file_id: UUID, storage_element_id: str) -> bool:
        """The file is deleted there, in its next revision. False when nothing changed: it was marked before, or it is
        bound to another element."""
        ...

    async def page(
        self,
        *,
        storage_element_id: str | None,
        status: FileStatus | None,
        uploaded_by: str | None,
        limit: int,
        offset: int,
    ) -> tuple[Sequence[RegisteredFile], int]: ...


async def register(rows: FileRows, file: RegisteredFile) -> bool:
    """True when the file is new here. Registering the same file again changes nothing."""
    match await rows.put(file):
        case Put.ELSEWHERE:
            raise Conflict("This file is registered on another storage element")
        case Put.NO_ELEMENT:
            raise ValidationFailed(
                "There is no such storage element", details={"storage_element_id": "is not registered"}
            )
        case outcome:
            return outcome is Put.ADDED


async def register_together(rows: FileRows, files: Sequence[RegisteredFile | None]) -> list[Outcome]:
    """What became of each, in their order. None is a file that could not be read: it is refused and the others are not."""
    outcomes = iter([_OUTCOMES[put] for put in await rows.put_together([file for file in files if file is not None])])
    return [Outcome.REFUSED if file is None else next(outcomes) for file in files]


async def get_file(rows: FileRows, file_id: UUID) -> RegisteredFile:
    file = await rows.get(file_id)
    if file is None:
        raise NotFound("There is no such file")
    return file

"""What admin asks of storage elements, and how such a call can end. `clients/` fulfils the protocols."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Annotated, Literal, Protocol
from uuid import UUID

from artstore_core.elements import ElementInfo
from artstore_core.errors import StorageUnavailable
from artstore_core.files import Description, File, Metadata, Moment, Tags
from artstore_core.modes import Mode
from pydantic import BaseModel, ConfigDict, StringConstraints

Words = Annotated[str, StringConstraints(max_length=255, pattern=r"^[^\x00-\x1f\x7f]*$")]


class ElementUnreachable(StorageUnavailable):
    """The element could not be asked, or could not answer now: 503. The message is fit for an operator and anybody."""


class ElementAnswersWrongly(ElementUnreachable):
    """Somebody is there, and what comes is not what an element that knows admin would say: 502."""

    code, status = "UPSTREAM_FAILED", 502


class ElementNotAllowed(ElementAnswersWrongly):
    """Its address is none that admin may call."""


class Addressed(Protocol):
    """Whom to ask: which element, and where it is."""

    @property
    def storage_id(self) -> str: ...
    @property
    def url(self) -> str: ...


class ModeChanged(BaseModel):
    model_config = ConfigDict(frozen=True)

    previous_mode: Mode
    mode: Mode
    changed_at: Moment
    changed_by: Words


Name = Annotated[str, StringConstraints(max_length=4096)]


class JobFinding(BaseModel):
    """`kind` is one of those in the element's README. `name` is a file's where there is no id."""

    model_config = ConfigDict(frozen=True)

    kind: Words
    file_id: UUID | None = None
    name: Name | None = None
    at: Moment


class JobState(BaseModel):
    """A walk of the element over all its files. `position` of `total` directories are done."""

    model_config = ConfigDict(frozen=True)

    state: Literal["idle", "running", "stopped"]
    checksums: bool
    started_at: Moment | None
    finished_at: Moment | None
    position: int
    total: int
    files: int
    bytes: int
    counts: dict[Words, int]
    findings: list[JobFinding]


class FileChange(BaseModel):
    """A field that is given replaces the old value whole; null clears it."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    description: Description | None = None
    tags: Tags | None = None
    metadata: Metadata | None = None


AskInfo = Callable[[str], Awaitable[ElementInfo]]
"""url → what whoever answers there says of itself; no token is sent. Raises ElementUnreachable."""


class ElementOperations(Protocol):
    """What an operator does with an element. All raise ElementUnreachable, and the element's own refusals."""

    async def change_mode(self, element: Addressed, target: Mode, *, confirm: bool) -> ModeChanged: ...
    async def job(self, element: Addressed, name: Literal["reconcile", "scrub"]) -> JobState: ...
    async def start_job(
        self, element: Addressed, name: Literal["reconcile", "scrub"], *, checksums: bool = True
    ) -> JobState: ...


class ElementFiles(Protocol):
    """One file, where it lies. All raise ElementUnreachable, and the element's own refusals (NotFound, …)."""

    async def file(self, element: Addressed, file_id: UUID) -> File: ...
    async def change_file(
        self, element: Addressed, file_id: UUID, change: FileChange, *, if_match: str | None
    ) -> File: ...
    async def delete_file(self, element: Addressed, file_id: UUID, *, if_match: str | None) -> None: ...

"""What viewers ask for: the list of what there is, and that what is not there be made."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Final, Protocol
from uuid import UUID

from artstore_core.errors import ArtStoreError, FileDamaged, NotFound, StorageUnavailable, TypeNotAllowed
from artstore_core.files import FileStatus
from artstore_core.ids import new_id
from artstore_kit.logs import get_logger

from render_service.decoders.contract import MediaKind, RenditionKind
from render_service.decoders.kinds import kind_of
from render_service.jobs.job import Candidate, Job, Priority, Source, State
from render_service.jobs.ports import Files
from render_service.metrics import RenderMetrics
from render_service.renditions.rendition import Kept, Rendition
from render_service.renditions.shared import Shared
from render_service.renditions.ways import LIFETIME, Clock, Ways, closed

_log = get_logger(__name__)

TRY_AGAIN_AFTER: Final = timedelta(minutes=5)
"""A job that failed for a reason that may have passed is tried again when somebody looks, but not for each who does."""


class Board(Protocol):
    """Jobs and renditions as viewers see them. All raise StorageUnavailable when the database is away."""

    async def job_of(self, file_id: UUID) -> Job | None: ...

    async def ask(self, file: Candidate, media: MediaKind, priority: Priority) -> Job:
        """The file's job, made if there is none; where it waits, it waits at least at this priority."""
        ...

    async def renew(self, job_id: UUID, generation: int, priority: Priority) -> Job | None:
        """Everything is to be made anew. None when the job is not of this generation any more, or not at an end."""
        ...

    async def renditions(self, file_id: UUID) -> list[Rendition]: ...

    async def kept(self, file_id: UUID, name: str) -> Kept | None: ...

    async def viewed(self, view: UUID, file_id: UUID) -> Kept | None:
        """The tiles that a view leads to, while it is open."""
        ...

    async def being_made(self, file_id: UUID) -> bool:
        """Whether there will soon be more of the file than there is; not of one that is gone for readers."""
        ...

    async def is_open(self, view: UUID, file_id: UUID) -> bool: ...

    async def renew_view(self, view: UUID, file_id: UUID, account: str, expires_at: datetime) -> UUID:
        """The view that this account has of this file, open until then; `view` where it has none."""
        ...


@dataclass(frozen=True, slots=True)
class Shown:
    """One entry of the list (requirement N5). One that is not there yet has no size."""

    id: UUID
    kind: RenditionKind
    url: str
    ready: bool
    page: int | None = None
    width: int | None = None
    height: int | None = None
    iiif: str | None = None


@dataclass(frozen=True, slots=True)
class Viewing:
    files: Files
    board: Board
    ways: Ways
    clock: Clock
    metrics: RenderMetrics
    looks: Shared[UUID, tuple[Job | None, list[Rendition]]] = field(default_factory=Shared)

    async def show(self, file_id: UUID, subject: str) -> list[Shown]:
        """What there is of a file; what is missing is asked for, ahead of what nobody looks at. Raises NotFound."""
        job, renditions = await self.looks.get(file_id, lambda: self._look(file_id))
        if job is None:
            return []
        account = self.ways.account(subject)
        ticket = self.ways.ticket(file_id, account)
        if not renditions:
            url = self.ways.content(file_id, "thumb.webp", ticket)
            return [Shown(job.id, RenditionKind.THUMB, url, ready=False)]
        view = await self._view(renditions, file_id, account)
        return [self._shown(file_id, one, ticket, view) for one in renditions]

    async def readable(self, file_id: UUID) -> Source:
        """Raises NotFound: deleted and expired files are gone for readers."""
        source = await self.files.source(file_id)
        if source is None or not source.is_readable(self.clock()):
            raise NotFound("There is no such file")
        return source

    async def wanted(self, source: Source, priority: Priority = Priority.WATCHED) -> Job | None:
        """The file's job, put to work if need be; None for a file that has no previews."""
        media = kind_of(source.content_type)
        if media is None:
            return None
        job = await self.board.job_of(source.file_id)
        if source.status is not FileStatus.ACTIVE:
            return job  # what was made of it before it was damaged is still shown
        if job is None or (job.state is State.WAITING and job.priority < priority):
            return await self.board.ask(source, media, priority)
        if job.state is State.FAILED and not job.permanent and job.updated_at + TRY_AGAIN_AFTER < self.clock():
            return await self.board.renew(job.id, job.generation, priority) or job
        return job

    async def convert(self, file_id: UUID) -> Job:
        """For `POST /api/v1/render-jobs`. Raises NotFound, TypeNotAllowed for a file that can have no previews, and
        FileDamaged for one that has none and can get none now."""
        source = await self.readable(file_id)
        job = await self.wanted(source, Priority.ASKED)
        if job is None and kind_of(source.content_type) is None:
            raise TypeNotAllowed("There are no previews of files of this type")
        if job is None:
            raise FileDamaged("The file is damaged: no previews can be made of it")
        return job

    async def kept(self, file_id: UUID, name: str) -> Kept:
        """Raises NotFound, and StorageUnavailable while it may be among what is being made."""
        found = await self.board.kept(file_id, name)
        if found is None:
            raise await self._missing(file_id)
        return found

    async def viewed(self, segment: str, file_id: UUID) -> Kept:
        """The tiles that the path leads to. Raises Unauthorized, NotFound, and StorageUnavailable while they are made."""
        view = self.ways.view_of(segment, file_id)
        found = await self.board.viewed(view, file_id)
        if found is None:
            raise await self._missing(file_id) if await self.board.is_open(view, file_id) else closed()
        return found

    async def lost(self, kept: Kept) -> StorageUnavailable:
        """The store has it no more: it is made again, once however many miss it. Gives the error to raise."""
        if await self.board.renew(kept.job_id, kept.generation, Priority.WATCHED) is not None:
            self.metrics.made_again.inc()
            _log.warning("a rendition is lost", file_id=str(kept.file_id), name=kept.rendition.name)
        return StorageUnavailable("The preview is lost and is being made again", retry_after=2)

    async def _missing(self, file_id: UUID) -> ArtStoreError:
        if await self.board.being_made(file_id):
            return StorageUnavailable("The preview is being made", retry_after=2)
        return NotFound("There is no such rendition")

    async def _look(self, file_id: UUID) -> tuple[Job | None, list[Rendition]]:
        job = await self.wanted(await self.readable(file_id))
        return job, await self.board.renditions(file_id) if job is not None else []

    async def _view(self, renditions: Sequence[Rendition], file_id: UUID, account: str) -> UUID | None:
        if not any(one.kind is RenditionKind.TILE for one in renditions):
            return None
        return await self.board.renew_view(new_id(), file_id, account, self.clock() + LIFETIME)

    def _shown(self, file_id: UUID, one: Rendition, ticket: str, view: UUID | None) -> Shown:
        if one.kind is RenditionKind.TILE and view is not None:
            url, iiif = self.ways.dzi(file_id, view), f"{self.ways.iiif(file_id, view)}/info.json"
        else:
            url, iiif = self.ways.content(file_id, one.name, ticket), None
        return Shown(one.id, one.kind, url, True, one.page, one.width, one.height, iiif)

"""`/api/v1/render-jobs`: what is to be converted, what went wrong, and once more."""

from typing import Annotated, Any, Protocol
from uuid import UUID

from artstore_auth.guard import Guard
from artstore_core.errors import Conflict, NotFound
from artstore_core.files import Moment
from artstore_core.pages import Page
from artstore_core.scopes import Scope
from artstore_kit.paging import Paging
from fastapi import APIRouter, Depends, Query
from pydantic import BaseModel, ConfigDict

from render_service.jobs.job import Job, Priority, State
from render_service.renditions.viewing import Viewing


class JobList(Protocol):
    """db.board.BoardRows. All raise StorageUnavailable when the database is away."""

    async def job(self, job_id: UUID) -> Job | None: ...
    async def jobs(
        self, state: State | None, file_id: UUID | None, limit: int, offset: int
    ) -> tuple[list[Job], int]: ...
    async def renew(self, job_id: UUID, generation: int, priority: Priority) -> Job | None: ...


class JobAnswer(BaseModel):
    """`reason` says why it failed, or why it is tried again; `progress` is for people. `permanent`: another try would fail
    in the same way. `technical`: what was learned of the file."""

    id: UUID
    file_id: UUID
    state: State
    media: str
    priority: int
    attempts: int
    done: int
    total: int | None
    progress: str | None
    reason: str | None
    permanent: bool
    technical: dict[str, Any]
    created_at: Moment
    updated_at: Moment

    @classmethod
    def of(cls, job: Job) -> "JobAnswer":
        return cls(**{name: getattr(job, name) for name in cls.model_fields} | {"technical": dict(job.technical)})


class NewJob(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)

    file_id: UUID


def router(viewing: Viewing, jobs: JobList, guard: Guard) -> APIRouter:
    router = APIRouter(prefix="/api/v1/render-jobs", tags=["render-jobs"])
    reader, writer = guard.require(Scope.FILES_READ), guard.require(Scope.FILES_WRITE)

    async def find(job_id: UUID) -> Job:
        if (job := await jobs.job(job_id)) is None:
            raise NotFound("There is no such job")
        return job

    @router.get("", dependencies=[Depends(reader)])
    async def list_jobs(
        page: Paging,
        state: Annotated[State | None, Query()] = None,
        file_id: Annotated[UUID | None, Query()] = None,
    ) -> Page[JobAnswer]:
        """The latest change first. `state=failed` are the dead letters, each with its reason."""
        found, total = await jobs.jobs(state, file_id, page.limit, page.offset)
        return Page.of([JobAnswer.of(job) for job in found], total=total, limit=page.limit, offset=page.offset)

    @router.post("", status_code=202, dependencies=[Depends(writer)])
    async def create_job(wanted: NewJob) -> JobAnswer:
        """Previews of this file are wanted. The file's job, whatever its state; a new one only where there is none."""
        return JobAnswer.of(await viewing.convert(wanted.file_id))

    @router.get("/{job_id}", dependencies=[Depends(reader)])
    async def get_job(job_id: UUID) -> JobAnswer:
        """One job."""
        return JobAnswer.of(await find(job_id))

    @router.post("/{job_id}/retry", status_code=202, dependencies=[Depends(writer)])
    async def retry_job(job_id: UUID) -> JobAnswer:
        """A failed job once more, from the beginning. 409 for one that has not failed."""
        job = await find(job_id)
        renewed = await jobs.renew(job.id, job.generation, Priority.ASKED) if job.state is State.FAILED else None
        if renewed is None:
            raise Conflict("Only a job that has failed can be retried")
        return JobAnswer.of(renewed)

    return router

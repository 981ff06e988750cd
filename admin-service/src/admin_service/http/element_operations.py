"""What operators do with one storage element, over HTTP: admin asks it with a token of its own."""

from typing import Annotated
from uuid import UUID

from artstore_auth.guard import Guard
from artstore_core.elements import StorageId
from artstore_core.files import File
from artstore_core.modes import Mode
from artstore_core.scopes import Principal, Scope
from fastapi import APIRouter, Depends, Response
from pydantic import BaseModel, ConfigDict

from admin_service.http.caller import Caller, Callers
from admin_service.registry.calls import JobState, ModeChanged
from admin_service.registry.operations import Operations


class ModeRequest(BaseModel):
    """rw → ro → ar; back from ro to rw with `confirm`."""

    model_config = ConfigDict(extra="forbid")

    target_mode: Mode
    confirm: bool = False


class ReconcileRequest(BaseModel):
    """`checksums` reads every byte of every file; without it only names, records and sizes are compared."""

    model_config = ConfigDict(extra="forbid")

    checksums: bool = True


def router(guard: Guard, operations: Operations) -> APIRouter:
    routes = APIRouter(prefix="/api/v1/storage-elements/{storage_id}", tags=["storage elements"])
    reader = Annotated[Principal, Depends(guard.require(Scope.STORAGE_READ))]
    writer = Annotated[Caller, Depends(Callers(guard).require(Scope.STORAGE_WRITE))]

    @routes.post("/mode")
    async def change_element_mode(who: writer, storage_id: StorageId, body: ModeRequest) -> ModeChanged:
        """The element's own answer, or its own refusal."""
        return await operations.change_mode(storage_id, body.target_mode, who.actor, confirm=body.confirm)

    @routes.get("/reconcile")
    async def get_element_reconcile(_who: reader, storage_id: StorageId) -> JobState:
        """How far the running or the last one is, and what it found."""
        return await operations.job(storage_id, "reconcile")

    @routes.post("/reconcile", status_code=202)
    async def start_element_reconcile(
        who: writer, storage_id: StorageId, body: ReconcileRequest | None = None
    ) -> JobState:
        """Begins to compare records, data and index, or goes on where it was stopped."""
        checksums = (body or ReconcileRequest()).checksums
        return await operations.start_job(storage_id, "reconcile", who.actor, checksums=checksums)

    @routes.get("/scrub")
    async def get_element_scrub(_who: reader, storage_id: StorageId) -> JobState:
        """How far the running or the last one is, and what it found."""
        return await operations.job(storage_id, "scrub")

    @routes.post("/scrub", status_code=202)
    async def start_element_scrub(who: writer, storage_id: StorageId) -> JobState:
        """Begins to read every file and compare its checksum, or goes on where it was stopped."""
        return await operations.start_job(storage_id, "scrub", who.actor)

    @routes.get("/files/{file_id}")
    async def get_element_file(_who: reader, storage_id: StorageId, file_id: UUID, response: Response) -> File:
        """The file as its attr.json says now, whatever the registry has. The ETag is the revision."""
        file = await operations.file(storage_id, file_id)
        response.headers["ETag"] = f'"{file.revision}"'
        return file

    return routes

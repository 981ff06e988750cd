"""Syncs of storage elements over HTTP."""

from typing import Annotated, Any
from uuid import UUID

from artstore_auth.guard import Guard
from artstore_core.elements import StorageId
from artstore_core.files import Moment
from artstore_core.pages import Page
from artstore_core.scopes import Principal, Scope
from artstore_kit.paging import Paging
from fastapi import APIRouter, Depends
from pydantic import BaseModel, ConfigDict, Field

from admin_service.http.caller import Caller, Callers
from admin_service.registry.elements import get_element
from admin_service.registry.sync import Syncs, Wanted
from admin_service.registry.syncs import SyncKind, SyncReason, SyncStatus
from admin_service.store import Store


class SyncIn(BaseModel):
    """`full`: walk all files, though following the changes would do."""

    model_config = ConfigDict(extra="forbid")

    full: bool = False


class ConflictExample(BaseModel):
    """A file of this element that is registered on another one, and stays so."""

    file_id: UUID
    storage_element_id: str


class RefusedExample(BaseModel):
    """A file of this element that the registry cannot hold."""

    file_id: UUID
    why: str


class SyncOut(BaseModel):
    """While it runs, the counts are those of the pages that are written. Of examples there are 100 at most."""

    model_config = ConfigDict(from_attributes=True)

    id: UUID
    storage_id: str
    kind: SyncKind
    reason: SyncReason
    status: SyncStatus
    requested_by: str
    started_at: Moment
    updated_at: Moment
    ended_at: Moment | None
    files_read: int
    files_added: int
    files_updated: int
    files_deleted: int
    files_refused: int
    refused_examples: list[RefusedExample]
    conflicts: int
    conflict_examples: list[ConflictExample]
    requests: int = Field(description="To the element")
    error: str | None


_RUNNING: dict[int | str, dict[str, Any]] = {202: {"description": "Its row; that of one which ran already, too"}}


def router(syncs: Syncs, store: Store, guard: Guard) -> APIRouter:
    routes = APIRouter(prefix="/api/v1/storage-elements", tags=["storage elements"])
    reader = Annotated[Principal, Depends(guard.require(Scope.STORAGE_READ))]
    writer = Annotated[Caller, Depends(Callers(guard).require(Scope.STORAGE_WRITE))]

    @routes.post("/{storage_id}/sync", status_code=202, responses=_RUNNING)
    async def sync_storage_element(who: writer, storage_id: StorageId, body: SyncIn | None = None) -> SyncOut:
        """Brings the registry up to date with one element. Returns once it has begun; `syncs` tells how it goes on."""
        full = body is not None and body.full
        begun = await syncs.begin(storage_id, Wanted(SyncReason.MANUAL, who.actor, full=full))
        return SyncOut.model_validate(begun.sync)

    @routes.get("/{storage_id}/syncs")
    async def list_syncs(_who: reader, storage_id: StorageId, page: Paging) -> Page[SyncOut]:
        """The history, newest first."""
        async with store.transaction() as rows:
            await get_element(rows.elements, storage_id)
            found, total = await rows.syncs.page(storage_id, limit=page.limit, offset=page.offset)
        items = [SyncOut.model_validate(sync) for sync in found]
        return Page[SyncOut].of(items, total=total, limit=page.limit, offset=page.offset)

    return routes

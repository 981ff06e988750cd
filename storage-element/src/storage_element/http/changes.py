"""`/api/v1/changes`: what changed, for those who keep a copy (requirement S8)."""

from __future__ import annotations

from typing import Annotated
from uuid import UUID

from artstore_core.files import File
from fastapi import APIRouter, Depends, Query
from pydantic import BaseModel

from storage_element.http.access import Access
from storage_element.store.files import Files


class ChangedFile(BaseModel):
    """`file` as it is now; one that is gone for good comes as `deleted`."""

    sequence: int
    file: File


class ChangesPage(BaseModel):
    """`sequence` is the last change there is. Go on after the last item's, until `has_more` is false."""

    epoch: UUID
    items: list[ChangedFile]
    sequence: int
    has_more: bool


def changes_router(files: Files, access: Access) -> APIRouter:
    router = APIRouter(prefix="/api/v1", tags=["files"])

    @router.get("/changes", dependencies=[Depends(access.list)])
    async def list_changes(
        after: Annotated[int, Query(ge=0, le=2**62, description="The last sequence number that is known")] = 0,
        epoch: Annotated[UUID | None, Query(description="Of that number; an unknown one answers 410")] = None,
        limit: Annotated[int, Query(ge=1, le=1000)] = 100,
    ) -> ChangesPage:
        """What changed since then: each file once, by its last change. 410 means: walk all files."""
        found = await files.changes(after=after, limit=limit, epoch=epoch)
        items = [ChangedFile(sequence=sequence, file=file) for sequence, file in found.items]
        return ChangesPage(epoch=found.epoch, items=items, sequence=found.sequence, has_more=found.has_more)

    return router

"""`/api/v1/mode` and `/api/v1/maintenance/checkpoint`: what operators do with an element."""

from __future__ import annotations

from artstore_core.files import Moment
from artstore_core.modes import Mode
from artstore_core.scopes import Principal
from fastapi import APIRouter, Depends
from pydantic import BaseModel, ConfigDict

from storage_element.http.access import Access
from storage_element.store.operations import Operations


class TransitionRequest(BaseModel):
    """`confirm` is needed to go back from `ro` to `rw`."""

    model_config = ConfigDict(extra="forbid")

    target_mode: Mode
    confirm: bool = False


class ModeChanged(BaseModel):
    previous_mode: Mode
    mode: Mode
    changed_at: Moment
    changed_by: str


class CheckpointMade(BaseModel):
    """`sequence` is the last change that the directory holds without the log."""

    sequence: int


def operations_router(operations: Operations, access: Access) -> APIRouter:
    router = APIRouter(prefix="/api/v1", tags=["element"])

    @router.post("/mode/transition")
    async def change_mode(wanted: TransitionRequest, principal: Principal = Depends(access.operate)) -> ModeChanged:
        """Go on to the next mode, without a restart: rw → ro → ar; ro → rw with `confirm`."""
        done = await operations.change_mode(wanted.target_mode, confirm=wanted.confirm, by=principal.subject)
        return ModeChanged(
            previous_mode=done.previous_mode, mode=done.mode, changed_at=done.changed_at, changed_by=done.changed_by
        )

    @router.post("/maintenance/checkpoint", dependencies=[Depends(access.operate)])
    async def make_checkpoint() -> CheckpointMade:
        """Put everything into its place and empty the log: the data directory alone is then the whole element."""
        return CheckpointMade(sequence=await operations.checkpoint())

    return router

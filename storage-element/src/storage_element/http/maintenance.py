"""`/api/v1/maintenance/reconcile` and `/scrub`: begin, look at and stop what goes over all files (S7, S14)."""

from __future__ import annotations

from fastapi import APIRouter, Depends
from pydantic import BaseModel, ConfigDict

from storage_element.http.access import Access
from storage_element.store.jobs import Job, JobState


class ReconcileRequest(BaseModel):
    """`checksums` reads every byte of every file; without it only names, records and sizes are compared."""

    model_config = ConfigDict(extra="forbid")

    checksums: bool = True


def maintenance_router(reconcile: Job, scrub: Job, access: Access) -> APIRouter:
    router = APIRouter(prefix="/api/v1/maintenance", tags=["element"])
    look, act = [Depends(access.look_after)], [Depends(access.operate)]

    @router.post("/reconcile", status_code=202, dependencies=act)
    async def start_reconcile(wanted: ReconcileRequest | None = None) -> JobState:
        """Begin to compare records, data and index, or go on where it was stopped. One that runs goes on as it is."""
        return await reconcile.start(checksums=(wanted or ReconcileRequest()).checksums)

    @router.get("/reconcile", dependencies=look)
    async def get_reconcile() -> JobState:
        """How far the running or the last one is, and what it found."""
        return await reconcile.state()

    @router.delete("/reconcile", dependencies=act)
    async def stop_reconcile() -> JobState:
        """Stop it. It goes on from there when it is begun again with the same wish for checksums."""
        return await reconcile.stop()

    @router.post("/scrub", status_code=202, dependencies=act)
    async def start_scrub() -> JobState:
        """Begin to read every file and compare its checksum, or go on where it was stopped."""
        return await scrub.start(checksums=True)

    @router.get("/scrub", dependencies=look)
    async def get_scrub() -> JobState:
        """How far the running or the last one is, and what it found."""
        return await scrub.state()

    @router.delete("/scrub", dependencies=act)
    async def stop_scrub() -> JobState:
        """Stop it. It goes on from there when it is begun again."""
        return await scrub.stop()

    return router

"""Previews in the making: what waits, what failed and why, and once more."""

from typing import Annotated, Any, Final
from uuid import UUID

from artstore_core.errors import (
    ArtStoreError,
    Conflict,
    Forbidden,
    NotFound,
    Unavailable,
    UpstreamFailed,
    ValidationFailed,
)
from fastapi import APIRouter, Depends, Query, Response

from admin_service.console.details import readable
from admin_service.console.door import Form, Visit
from admin_service.console.parts import Console

API: Final = "/api/v1/render-jobs"
STATES: Final = ("waiting", "converting", "ready", "failed")
PAGE: Final = 50
Offset = Annotated[int, Query(ge=0, le=2**31 - 1)]
Word = Annotated[str, Query(max_length=100)]


def router(console: Console) -> APIRouter:
    routes = APIRouter(prefix="/render-jobs")
    visiting = Annotated[Visit, Depends(console.doors.visit)]
    filled_in = Annotated[Form, Depends(console.doors.form)]

    async def about(visit: Visit, job_id: UUID, error: ArtStoreError | None = None) -> Response:
        job = await visit.api.get(f"{API}/{job_id}")
        job |= {"technical": readable(job["technical"])}
        return visit.show("render_jobs/detail.html", status=error.status if error else 200, job=job, error=error)

    @routes.get("")
    async def list_page(visit: visiting, state: Word = "", file_id: Word = "", offset: Offset = 0) -> Response:
        filters = {"state": state, "file_id": file_id.strip()}
        try:
            page = await visit.api.get(API, **filters, offset=offset, limit=PAGE)
        except (ValidationFailed, UpstreamFailed, Unavailable) as error:
            return _list(visit, _nothing(), filters, error)
        return _list(visit, page, filters | {"offset": offset})

    @routes.post("")
    async def order(visit: visiting, given: filled_in) -> Response:
        """Previews of one file, before anybody looks at it."""
        file_id = given.text("file_id").strip()
        try:
            job = await visit.api.post(API, {"file_id": file_id})
        except (ValidationFailed, NotFound, Forbidden) as error:
            return _list(visit, _nothing(), {"state": "", "file_id": file_id}, error)
        return visit.go(f"render-jobs/{job['id']}", "job-ordered")

    @routes.get("/{job_id}")
    async def detail_page(visit: visiting, job_id: UUID) -> Response:
        return await about(visit, job_id)

    @routes.post("/{job_id}/retry")
    async def retry(visit: visiting, given: filled_in, job_id: UUID) -> Response:
        try:
            await visit.api.post(f"{API}/{job_id}/retry")
        except Conflict as error:
            return await about(visit, job_id, error)
        state = given.text("state")
        return visit.go("render-jobs", "job-retried", state=state if state in STATES else None)

    return routes


def _list(visit: Visit, page: dict[str, Any], filters: dict[str, Any], error: ArtStoreError | None = None) -> Response:
    under_way = any(job["state"] in ("waiting", "converting") for job in page["items"])
    told = {"page": page, "filters": filters, "states": STATES, "under_way": under_way, "error": error}
    return visit.show("render_jobs/page.html", status=error.status if error else 200, **told)


def _nothing() -> dict[str, Any]:
    return {"items": [], "total": 0, "limit": PAGE, "offset": 0}

"""The audit log: found by filters, read in pages, taken along as a file."""

import re
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from typing import Annotated, Any, Final

from artstore_core.errors import NotFound, ValidationFailed
from fastapi import APIRouter, Depends, Query, Response
from fastapi.responses import StreamingResponse

from admin_service.console.audit_export import Entry, Walk, as_csv, as_json, rest
from admin_service.console.details import readable
from admin_service.console.door import Visit
from admin_service.console.parts import Console

API: Final = "/api/v1/audit"
PAGE: Final = 50
FILTERS: Final = ("actor", "action", "target", "outcome", "service", "request_id", "since", "until")
_LOCAL: Final = re.compile(r"\d{4,6}-\d\d-\d\dT\d\d:\d\d(:\d\d(\.\d+)?)?")
Offset = Annotated[int, Query(ge=0, le=2**31 - 1)]
Newest = Annotated[int | None, Query(ge=0, le=2**63 - 1)]
Written = Callable[[AsyncIterator[Sequence[Entry]]], AsyncIterator[str]]
FORMATS: Final[Mapping[str, tuple[Written, str]]] = {
    "csv": (as_csv, "text/csv; charset=utf-8"),
    "json": (as_json, "application/json"),
}


def router(console: Console) -> APIRouter:
    routes = APIRouter(prefix="/audit")
    visiting = Annotated[Visit, Depends(console.doors.visit)]

    @routes.get("")
    async def list_page(visit: visiting, offset: Offset = 0, newest_id: Newest = None) -> Response:
        filters = _filters(visit)
        told: dict[str, Any] = {"filters": filters, "error": None, "status": 200}
        try:
            page = await visit.api.get(API, **_asked(filters), offset=offset, limit=PAGE, newest_id=newest_id)
        except ValidationFailed as error:
            page = {"items": [], "total": 0, "limit": PAGE, "offset": 0, "total_exact": True, "newest_id": None}
            told |= {"error": error, "status": error.status}
        entries = [entry | {"details": readable(entry["details"])} for entry in page["items"]]
        return visit.show("audit/page.html", page=page | {"items": entries}, **told)

    @routes.get("/export.{kind}")
    async def export(visit: visiting, kind: str) -> Response:
        if kind not in FORMATS:
            raise NotFound("There is no such page")
        write, media_type = FORMATS[kind]
        walk = Walk(visit.api, API, _asked(_filters(visit)))
        first = await walk.page()
        name = f"audit-{console.clock():%Y%m%dT%H%M%SZ}.{kind}"
        headers = {
            "Content-Disposition": f'attachment; filename="{name}"',
            "Content-Security-Policy": "default-src 'none'; sandbox",
            "Cache-Control": "no-store",
            "X-Content-Type-Options": "nosniff",
        }
        return StreamingResponse(write(rest(walk, first)), media_type=media_type, headers=headers)

    return routes


def _filters(visit: Visit) -> dict[str, str]:
    """As the form has them, and gives them back."""
    return {name: visit.request.query_params.get(name, "").strip() for name in FILTERS}


def _asked(filters: Mapping[str, str]) -> dict[str, str]:
    """As the API is asked. The form's times are UTC, and do not say so."""
    times = {name: f"{filters[name]}Z" for name in ("since", "until") if _LOCAL.fullmatch(filters[name])}
    return {**filters, **times}

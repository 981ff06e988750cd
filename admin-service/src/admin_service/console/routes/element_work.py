"""What is done with one storage element: its mode, its syncs, its checks, and the files that are registered on it."""

import asyncio
from collections.abc import Sequence
from typing import Annotated, Any, Final

from artstore_core.elements import StorageId
from artstore_core.errors import ArtStoreError, Unavailable, UpstreamFailed
from artstore_core.modes import ALLOWED, Mode
from fastapi import APIRouter, Depends, Response

from admin_service.console.door import Form, Visit
from admin_service.console.parts import Console
from admin_service.console.routes.elements import (
    LIMIT,
    Offset,
    Was,
    Word,
    answered,
    api_path,
    show_element,
    status_of,
)

FILES: Final = "/api/v1/registry/files"
CHECKS: Final = ("scrub", "reconcile")
FINDINGS: Final = 100
"""So many are shown, the latest of those that the element keeps."""
NEXT: Final = {Mode.RW: (Mode.RO,), Mode.RO: (Mode.AR, Mode.RW)}
"""What is offered (requirement S3). Whether it is done is the element's to say."""
_UNKNOWN: Final[Sequence[dict[str, Any]]] = [
    {"name": name, "state": None, "error": None, "findings": []} for name in CHECKS
]
"""Only the element knows of its checks. One that is known to be away is not waited for."""


def router(console: Console) -> APIRouter:
    routes = APIRouter(prefix="/elements/{storage_id}")
    doors = console.doors
    visiting = Annotated[Visit, Depends(doors.visit)]
    filled_in = Annotated[Form, Depends(doors.form)]

    @routes.get("/mode")
    async def modes(visit: visiting, storage_id: StorageId, to: Word = "") -> Response:
        """The rules, and what can come next; with `to`, the question before it is done."""
        return await _show_modes(visit, storage_id, to)

    @routes.post("/mode")
    async def change_mode(visit: visiting, storage_id: StorageId, given: filled_in) -> Response:
        target = given.text("target_mode")
        wanted = {"target_mode": target, "confirm": given.checked("confirm")}
        _, error = await answered(visit.api.post(api_path(storage_id, "/mode"), wanted))
        if error is None:
            return visit.go(f"elements/{storage_id}", "mode-changed")
        return await _show_modes(visit, storage_id, target, error)

    @routes.post("/sync")
    async def start_sync(visit: visiting, storage_id: StorageId, given: filled_in) -> Response:
        wanted = {"full": given.checked("full")}
        _, error = await answered(visit.api.post(api_path(storage_id, "/sync"), wanted))
        if error is not None:
            return await show_element(visit, storage_id, error=error)
        return visit.go(f"elements/{storage_id}", "sync-started")

    @routes.get("/syncs")
    async def syncs(visit: visiting, storage_id: StorageId, offset: Offset = 0) -> Response:
        element = await visit.api.get(api_path(storage_id))
        page = await visit.api.get(api_path(storage_id, "/syncs"), limit=LIMIT, offset=offset)
        return visit.show("elements/syncs.html", element=element, page=page)

    @routes.get("/checks")
    async def checks(visit: visiting, storage_id: StorageId, was: Was = "", brief: Word = "") -> Response:
        return await _show_checks(visit, storage_id, was=was, brief=brief)

    @routes.post("/scrub")
    async def start_scrub(visit: visiting, storage_id: StorageId, _form: filled_in) -> Response:
        _, error = await answered(visit.api.post(api_path(storage_id, "/scrub")))
        if error is not None:
            return await _show_checks(visit, storage_id, error=error)
        return visit.go(f"elements/{storage_id}/checks", "scrub-started")

    @routes.post("/reconcile")
    async def start_reconcile(visit: visiting, storage_id: StorageId, given: filled_in) -> Response:
        wanted = {"checksums": given.checked("checksums")}
        _, error = await answered(visit.api.post(api_path(storage_id, "/reconcile"), wanted))
        if error is not None:
            return await _show_checks(visit, storage_id, error=error)
        return visit.go(f"elements/{storage_id}/checks", "reconcile-started")

    @routes.get("/files")
    async def files(visit: visiting, storage_id: StorageId, status: Word = "", offset: Offset = 0) -> Response:
        element = await visit.api.get(api_path(storage_id))
        asked = visit.api.get(FILES, storage_element_id=storage_id, status=status, limit=LIMIT, offset=offset)
        page, error = await answered(asked)
        told = {"element": element, "page": page, "wanted": {"status": status}, "error": error}
        return visit.show("elements/files.html", status=status_of(error), **told)

    return routes


async def _show_modes(visit: Visit, storage_id: str, to: str, error: ArtStoreError | None = None) -> Response:
    element = await visit.api.get(api_path(storage_id))
    after = NEXT.get(Mode(element["mode"]), ()) if element["mode"] else ()
    told = {"element": element, "after": after, "allowed": ALLOWED, "error": error}
    return visit.show("elements/mode.html", status=status_of(error), to=to if to in after else None, **told)


async def _show_checks(
    visit: Visit, storage_id: str, *, error: ArtStoreError | None = None, was: str = "", brief: str = ""
) -> Response:
    """`was`: those that ran when the page looked last."""
    element = await visit.api.get(api_path(storage_id))
    away = element["status"] == "offline" or isinstance(error, Unavailable | UpstreamFailed)
    checks = _UNKNOWN if away else await _checks(visit, storage_id)
    running = [check["name"] for check in checks if check["state"] and check["state"]["state"] == "running"]
    known = [check["name"] for check in checks if check["state"]]
    ended = [name for name in was.split() if name in known and name not in running]
    told = {
        "element": element,
        "checks": checks,
        "running": running,
        "ended": ended,
        "brief": brief,
        "away": away,
        "error": error,
    }
    return visit.show("elements/checks.html", status=status_of(error), **told)


async def _checks(visit: Visit, storage_id: str) -> Sequence[dict[str, Any]]:
    return await asyncio.gather(*(_check(visit, storage_id, name) for name in CHECKS))


async def _check(visit: Visit, storage_id: str, name: str) -> dict[str, Any]:
    state, error = await answered(visit.api.get(api_path(storage_id, f"/{name}")))
    findings = state["findings"][-FINDINGS:][::-1] if state else []
    return {"name": name, "state": state, "error": error, "findings": findings}

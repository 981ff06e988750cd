"""Files: found, looked at, changed, deleted, downloaded, uploaded."""

import asyncio
import json
from collections.abc import Mapping
from typing import Annotated, Any, Final
from uuid import UUID

from artstore_core.errors import ArtStoreError, PreconditionFailed, UpstreamFailed, ValidationFailed
from fastapi import APIRouter, Depends, Query, Request, Response
from fastapi.responses import JSONResponse, RedirectResponse

from admin_service.console.api import SECONDS, Api
from admin_service.console.door import Form, Visit
from admin_service.console.file_look import (
    COMPARED,
    Kept,
    Previews,
    element_of,
    marked,
    own_path,
    previews,
    readable,
    tried,
)
from admin_service.console.file_search import MODES, PAGE, SORTS, Wanted
from admin_service.console.pages import link
from admin_service.console.parts import Console

REGISTRY: Final = "/api/v1/registry/files"
PAGES_SHOWN: Final = 24
MOST_LOOKS: Final = 60
"""How often a page asks by itself whether previews are there, two seconds apart."""
MOST_PAGES: Final = 100_000


def router(console: Console) -> APIRouter:
    routes = APIRouter()
    doors = console.doors
    visiting = Annotated[Visit, Depends(doors.visit)]
    filled_in = Annotated[Form, Depends(doors.form)]

    @routes.get("/files")
    async def find_files(request: Request, visit: visiting) -> Response:
        wanted = Wanted.of(request.query_params)
        found, error = await tried(_found(visit.api, wanted), SECONDS)
        typed = request.headers.get("hx-request") == "true"
        told: dict[str, Any] = {"wanted": wanted, "found": found, "error": error, "limit": PAGE, "marked": marked}
        template = "files/results.html" if typed else "files/list.html"
        answer = visit.show(template, status=error.status if error else 200, modes=MODES, sorts=SORTS, **told)
        if typed:
            # What stands in the address line can be sent to somebody else, and is there after a reload.
            answer.headers["HX-Replace-Url"] = link("files", **wanted.params)
        return answer

    @routes.get("/files/upload")
    async def upload_page(visit: visiting) -> Response:
        return visit.show("files/upload.html")

    @routes.post("/files/upload-token")
    async def upload_token(visit: visiting, _form: filled_in) -> Response:
        """For the page's own script: five minutes, and for uploads alone. A reader's opens nothing."""
        token = await console.visits.upload_token(visit.visitor)
        body = {"access_token": token.access_token, "expires_in": token.expires_in}
        return JSONResponse(body, headers={"Cache-Control": "no-store"})

    @routes.get("/files/{file_id}")
    async def file_page(
        visit: visiting, file_id: UUID, first: Annotated[int, Query(ge=0, le=MOST_PAGES)] = 0
    ) -> Response:
        row = await visit.api.get(f"{REGISTRY}/{file_id}")
        alive = readable(row, console.clock())
        element, kept, shown = await asyncio.gather(
            element_of(visit.api, row), Kept.of(visit.api, row), _previews(visit.api, file_id, alive)
        )
        told = {
            "file": row,
            "element": element,
            "kept": kept,
            "readable": alive,
            "compared": COMPARED,
            "as_json": _as_json,
        }
        return visit.show("files/file.html", **told, **_of_previews(file_id, shown, first, 0))

    @routes.get("/files/{file_id}/previews")
    async def look_again(
        visit: visiting,
        file_id: UUID,
        first: Annotated[int, Query(ge=0, le=MOST_PAGES)] = 0,
        looks: Annotated[int, Query(ge=0, le=MOST_LOOKS)] = 0,
    ) -> Response:
        shown = await previews(visit.api, file_id)
        return visit.show("files/previews.html", **_of_previews(file_id, shown, first, looks))

    @routes.get("/files/{file_id}/download")
    async def download(visit: visiting, file_id: UUID, inline: bool = False) -> Response:
        """By a link of the API's, which is open for ten minutes. `inline`: shown where its type is harmless."""
        asked = {} if inline else {"disposition": "attachment"}
        made = await visit.api.post(f"/api/v1/files/{file_id}/links", asked)
        target = own_path(made["url"], "/api/v1/links/")
        if target is None:
            raise UpstreamFailed("A part of ArtStore answered what nobody understands")
        return RedirectResponse(target, 303, headers={"Cache-Control": "no-store", "Referrer-Policy": "no-referrer"})

    async def edit_form(
        visit: Visit, file_id: UUID, given: Form | None = None, error: ArtStoreError | None = None
    ) -> Response:
        row, current, element = await _current(visit.api, file_id)
        values = given.values if given is not None else _values(current)
        told = {"file": row, "current": current, "now_stands": _values(current), "element": element}
        conflict = isinstance(error, PreconditionFailed)
        status = error.status if error else 200
        return visit.show("files/edit.html", status=status, values=values, error=error, conflict=conflict, **told)

    @routes.get("/files/{file_id}/edit")
    async def edit_page(visit: visiting, file_id: UUID) -> Response:
        return await edit_form(visit, file_id)

    @routes.post("/files/{file_id}/edit")
    async def edit(visit: visiting, given: filled_in, file_id: UUID) -> Response:
        try:
            _, current, _ = await _current(visit.api, file_id)
            wanted = _change(given)
            change = {name: value for name, value in wanted.items() if value != current[name]}
            if change:
                await visit.api.patch(f"{REGISTRY}/{file_id}", change, **_if_match(given))
        except ArtStoreError as error:
            if error.status not in (400, 403, 409, 412):
                raise
            return await edit_form(visit, file_id, given, error)
        return visit.go(f"files/{file_id}", "file-changed")

    async def delete_form(visit: Visit, file_id: UUID, error: ArtStoreError | None = None) -> Response:
        row, current, element = await _current(visit.api, file_id)
        status = error.status if error else 200
        return visit.show("files/delete.html", status=status, file=row, current=current, element=element, error=error)

    @routes.get("/files/{file_id}/delete")
    async def delete_page(visit: visiting, file_id: UUID) -> Response:
        return await delete_form(visit, file_id)

    @routes.post("/files/{file_id}/delete")
    async def delete(visit: visiting, given: filled_in, file_id: UUID) -> Response:
        try:
            await visit.api.ask("DELETE", f"{REGISTRY}/{file_id}", headers=_if_match(given))
        except ArtStoreError as error:
            if error.status not in (403, 409, 412):
                raise
            return await delete_form(visit, file_id, error)
        return visit.go("files", "file-deleted")

    return routes


async def _found(api: Api, wanted: Wanted) -> Mapping[str, Any]:
    if wanted.element:
        asked = {name: wanted.given.get(name) for name in ("storage_element_id", "status", "uploaded_by")}
        page = await api.get(REGISTRY, **asked, limit=PAGE, offset=wanted.offset)
        return {**page, "total_exact": True, "facets": {}, "facets_exact": True}
    found: Mapping[str, Any] = await api.post("/api/v1/search", wanted.body())
    return found


async def _previews(api: Api, file_id: UUID, alive: bool) -> Previews:
    return await previews(api, file_id) if alive else Previews()


def _of_previews(file_id: UUID, shown: Previews, first: int, looks: int) -> dict[str, Any]:
    return {
        "file_id": file_id,
        "previews": shown,
        "first": first,
        "pages_shown": PAGES_SHOWN,
        "looks": looks,
        "looks_on": shown.making and looks < MOST_LOOKS,
    }


async def _current(api: Api, file_id: UUID) -> tuple[Mapping[str, Any], Mapping[str, Any], Any]:
    """The registry's row; the file as its element has it, where that can be asked, for what changes is that; the element."""
    row = await api.get(f"{REGISTRY}/{file_id}")
    element, kept = await asyncio.gather(element_of(api, row), Kept.of(api, row))
    return row, kept.file or row, element


def _values(file: Mapping[str, Any]) -> dict[str, str]:
    """As the form shows them: a tag on each line, for a tag may have a comma in it."""
    return {
        "description": file["description"] or "",
        "tags": "\n".join(file["tags"]),
        "metadata": json.dumps(file["metadata"], ensure_ascii=False, indent=2) if file["metadata"] else "",
        "revision": str(file["revision"]),
    }


def _as_json(value: object) -> str:
    return json.dumps(value, ensure_ascii=False)


def _change(given: Form) -> dict[str, Any]:
    """Raises ValidationFailed."""
    text = given.text("metadata").strip()
    try:
        metadata = json.loads(text) if text else {}
    except (ValueError, RecursionError):
        metadata = None
    if not isinstance(metadata, dict):
        raise ValidationFailed("The form is not valid", details={"metadata": "must be a JSON object"})
    tags = [line.strip() for line in given.text("tags").splitlines() if line.strip()]
    # A browser sends the ends of lines as CRLF, and they were none before (RFC 2046 §4.1.1).
    description = given.text("description").replace("\r\n", "\n")
    return {"description": description or None, "tags": tags, "metadata": metadata}


def _if_match(given: Form) -> dict[str, str]:
    """The revision that the visitor saw: another one is 412, and nothing is lost of what somebody else wrote."""
    revision = given.whole("revision")
    return {} if revision is None else {"If-Match": f'"{revision}"'}

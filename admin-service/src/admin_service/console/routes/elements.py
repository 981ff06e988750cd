"""Storage elements: which there are, what is known of each, add, edit, forget."""

from collections.abc import Awaitable
from typing import Annotated, Any, Final

from artstore_core.elements import StorageId
from artstore_core.errors import ArtStoreError
from artstore_core.pages import MAX_OFFSET
from fastapi import APIRouter, Depends, Query, Response

from admin_service.console.door import Form, Visit
from admin_service.console.parts import Console
from admin_service.console.refusals import SignInNeeded

ELEMENTS: Final = "/api/v1/storage-elements"
LIMIT: Final = 50
LATEST: Final = 5
"""So many syncs stand on the element's own page; all of them have one of their own."""
NEARLY_FULL: Final = 0.9

Offset = Annotated[int, Query(ge=0, le=MAX_OFFSET)]
Word = Annotated[str, Query(max_length=50)]
Was = Annotated[str, Query(max_length=100)]
"""What a page that looks by itself showed before: what has ended since is said aloud, once."""


def router(console: Console) -> APIRouter:
    routes = APIRouter()
    doors = console.doors
    visiting = Annotated[Visit, Depends(doors.visit)]
    filled_in = Annotated[Form, Depends(doors.form)]

    @routes.get("/elements")
    async def elements(visit: visiting, mode: Word = "", status: Word = "", offset: Offset = 0) -> Response:
        wanted = {"mode": mode, "status": status}
        page, error = await answered(visit.api.get(ELEMENTS, limit=LIMIT, offset=offset, **wanted))
        return visit.show(
            "elements/list.html", status=status_of(error), page=page, wanted=wanted, offset=offset, error=error
        )

    # No id of an element begins like this.
    @routes.get("/elements/_new")
    async def new_element(visit: visiting) -> Response:
        return visit.show("elements/new.html", found=None, url="", description="", error=None)

    @routes.post("/elements/_new")
    async def add_element(visit: visiting, given: filled_in) -> Response:
        """Looks who answers there; and registers it, once that was looked at."""
        url, description = given.text("url").strip(), given.optional("description")
        if given.text("do") == "register":
            body = {"url": url, "description": description}
            added, error = await answered(visit.api.post(ELEMENTS, body))
            if error is None:
                return visit.go(f"elements/{added['storage_id']}", "element-registered")
            found = None
        else:
            found, error = await answered(visit.api.post(f"{ELEMENTS}/discover", {"url": url}))
        told = {"found": found, "url": url, "description": description, "error": error}
        return visit.show("elements/new.html", status=status_of(error), **told)

    @routes.get("/elements/{storage_id}")
    async def element(visit: visiting, storage_id: StorageId, was: Was = "") -> Response:
        return await show_element(visit, storage_id, was=was)

    @routes.get("/elements/{storage_id}/edit")
    async def edit_element(visit: visiting, storage_id: StorageId) -> Response:
        found = await visit.api.get(api_path(storage_id))
        return visit.show("elements/edit.html", element=found, values=found, error=None)

    @routes.post("/elements/{storage_id}/edit")
    async def change_element(visit: visiting, storage_id: StorageId, given: filled_in) -> Response:
        found = await visit.api.get(api_path(storage_id))
        change: dict[str, Any] = {"description": given.optional("description")}
        # A url that is given makes admin ask who answers there: an element that is away could not even be described.
        if (url := given.text("url").strip()) != found["url"]:
            change["url"] = url
        _, error = await answered(visit.api.patch(api_path(storage_id), change))
        if error is None:
            return visit.go(f"elements/{storage_id}", "element-changed")
        return visit.show(
            "elements/edit.html", status=error.status, element=found, values=given.values | {"url": url}, error=error
        )

    @routes.get("/elements/{storage_id}/delete")
    async def ask_before_delete(visit: visiting, storage_id: StorageId) -> Response:
        found = await visit.api.get(api_path(storage_id))
        return visit.show("elements/delete.html", element=found, error=None)

    @routes.post("/elements/{storage_id}/delete")
    async def delete_element(visit: visiting, storage_id: StorageId, given: filled_in) -> Response:
        force = "true" if given.checked("force") else "false"
        _, error = await answered(visit.api.delete(api_path(storage_id), force=force))
        if error is None:
            return visit.go("elements", "element-deleted")
        found = await visit.api.get(api_path(storage_id))
        return visit.show("elements/delete.html", status=error.status, element=found, error=error)

    return routes


def api_path(storage_id: str, rest: str = "") -> str:
    return f"{ELEMENTS}/{storage_id}{rest}"


async def answered(asked: Awaitable[Any]) -> tuple[Any, ArtStoreError | None]:
    """What the API says, or what it refuses with, for the page to show. Raises SignInNeeded: that is the door's."""
    try:
        return await asked, None
    except SignInNeeded:
        raise
    except ArtStoreError as error:
        return None, error


def status_of(error: ArtStoreError | None) -> int:
    return 200 if error is None else error.status


async def show_element(visit: Visit, storage_id: str, *, error: ArtStoreError | None = None, was: str = "") -> Response:
    """Its page, with what was just refused there. Raises NotFound. The element itself is not asked: it may be away."""
    element = await visit.api.get(api_path(storage_id))
    syncs = await visit.api.get(api_path(storage_id, "/syncs"), limit=LATEST)
    latest = syncs["items"][0] if syncs["items"] else None
    share = element["used_bytes"] / element["capacity_bytes"] if element["capacity_bytes"] else 0
    return visit.show(
        "elements/detail.html",
        status=status_of(error),
        element=element,
        syncs=syncs,
        latest=latest,
        ended=latest is not None and latest["status"] != "running" and was == latest["id"],
        nearly_full=share >= NEARLY_FULL,
        error=error,
    )

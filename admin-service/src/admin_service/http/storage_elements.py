"""Storage elements over HTTP."""

from typing import Annotated
from uuid import UUID

from artstore_auth.guard import Guard
from artstore_core.elements import ElementInfo, ElementStatus, StorageId
from artstore_core.files import Moment
from artstore_core.modes import Mode
from artstore_core.pages import Page
from artstore_core.scopes import Principal, Scope
from artstore_kit.paging import PageParams
from fastapi import APIRouter, Depends, Query, Response
from pydantic import AfterValidator, BaseModel, ConfigDict, Field, StringConstraints
from pydantic.json_schema import SkipJsonSchema

from admin_service.http.caller import Caller, Callers
from admin_service.registry.addresses import ElementUrl, element_url
from admin_service.registry.elements import get_element
from admin_service.registry.membership import ElementChange, Elements
from admin_service.store import Store


def _printable(text: str) -> str:
    if "\x00" in text:
        raise ValueError("must not contain NUL")
    return text


def _moved(url: str | None) -> str:
    if url is None:
        raise ValueError("cannot be cleared")
    return element_url(url)


ElementDescription = Annotated[str, StringConstraints(max_length=1000), AfterValidator(_printable)]
Url = Annotated[
    ElementUrl, Field(max_length=300, description="https://host[:port]", examples=["https://se-1.example:8010"])
]


class ElementOut(BaseModel):
    """What was learnt of an element last; null before it was ever reached. Bytes throughout.

    `sequence` is the last change of its feed, `synced_sequence` the last one that the registry has followed; both count
    within their epoch.
    """

    model_config = ConfigDict(from_attributes=True)

    storage_id: str
    url: str
    description: str | None
    status: ElementStatus
    mode: Mode | None
    version: str | None
    capacity_bytes: int | None
    used_bytes: int | None
    available_bytes: int | None
    epoch: UUID | None
    sequence: int | None
    synced_epoch: UUID | None
    synced_sequence: int | None
    synced_at: Moment | None
    last_error: str | None
    last_seen_at: Moment | None
    checked_at: Moment | None
    created_at: Moment
    updated_at: Moment


class Discovery(BaseModel):
    model_config = ConfigDict(extra="forbid")

    url: Url


class Discovered(ElementInfo):
    """What answers there says of itself. `registered`: an element with this id, or this url, is known already."""

    url: str
    registered: bool


class Registration(BaseModel):
    """The id is not given: the element says it."""

    model_config = ConfigDict(extra="forbid")

    url: Url
    description: ElementDescription | None = None


class Change(BaseModel):
    """A field that is given replaces the old value; null clears the description."""

    model_config = ConfigDict(extra="forbid")

    url: Annotated[str | SkipJsonSchema[None], AfterValidator(_moved)] = None
    description: ElementDescription | None = None


class ElementFilter(PageParams):
    mode: Mode | None = None
    status: ElementStatus | None = None


def router(store: Store, guard: Guard, elements: Elements) -> APIRouter:
    routes = APIRouter(prefix="/api/v1/storage-elements", tags=["storage elements"])
    reader = Annotated[Principal, Depends(guard.require(Scope.STORAGE_READ))]
    writer = Annotated[Caller, Depends(Callers(guard).require(Scope.STORAGE_WRITE))]

    @routes.get("")
    async def list_storage_elements(_who: reader, wanted: Annotated[ElementFilter, Query()]) -> Page[ElementOut]:
        async with store.transaction() as rows:
            found, total = await rows.elements.page(
                mode=wanted.mode, status=wanted.status, limit=wanted.limit, offset=wanted.offset
            )
        items = [ElementOut.model_validate(element) for element in found]
        return Page[ElementOut].of(items, total=total, limit=wanted.limit, offset=wanted.offset)

    @routes.post("", status_code=201)
    async def register_storage_element(who: writer, body: Registration, response: Response) -> ElementOut:
        """Asks who answers there, and adds it. 409 when this element, or one at this url, is registered already."""
        element = await elements.register(body.url, body.description, who.actor)
        response.headers["Location"] = f"{routes.prefix}/{element.storage_id}"
        return ElementOut.model_validate(element)

    # It makes admin call out, so it needs more than reading.
    @routes.post("/discover")
    async def discover_storage_element(_who: writer, body: Discovery) -> Discovered:
        """Asks who answers there, and keeps nothing."""
        found = await elements.discover(body.url)
        return Discovered(**found.info.model_dump(), url=found.url, registered=found.registered)

    @routes.get("/{storage_id}")
    async def get_storage_element(_who: reader, storage_id: StorageId) -> ElementOut:
        async with store.transaction() as rows:
            return ElementOut.model_validate(await get_element(rows.elements, storage_id))

    @routes.patch("/{storage_id}")
    async def change_storage_element(who: writer, storage_id: StorageId, body: Change) -> ElementOut:
        """At a new url the very same element must answer, else 409."""
        describes = "description" in body.model_fields_set
        change = ElementChange(url=body.url, description=body.description, describes=describes)
        return ElementOut.model_validate(await elements.change(storage_id, change, who.actor))

    @routes.delete("/{storage_id}", status_code=204)
    async def delete_storage_element(
        who: writer,
        storage_id: StorageId,
        force: Annotated[bool, Query(description="Even with files; they stay on the element")] = False,
    ) -> Response:
        """Forgets the element. 409 while files are registered on it that are not deleted, unless forced."""
        await elements.delete(storage_id, who.actor, force=force)
        return Response(status_code=204)

    return routes

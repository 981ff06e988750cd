"""Storage elements over HTTP."""

from typing import Annotated

from artstore_auth.guard import Guard
from artstore_core.elements import ElementStatus, StorageId
from artstore_core.files import Moment
from artstore_core.modes import Mode
from artstore_core.pages import Page
from artstore_core.scopes import Principal, Scope
from artstore_kit.paging import PageParams
from fastapi import APIRouter, Depends, Query
from pydantic import BaseModel, ConfigDict

from admin_service.registry.elements import get_element
from admin_service.store import Store


class ElementOut(BaseModel):
    """What was learnt of an element last; null before it was ever reached. Bytes throughout."""

    model_config = ConfigDict(from_attributes=True)

    storage_id: str
    url: str
    status: ElementStatus
    mode: Mode | None
    version: str | None
    capacity_bytes: int | None
    used_bytes: int | None
    available_bytes: int | None
    last_error: str | None
    last_seen_at: Moment | None
    checked_at: Moment | None
    created_at: Moment
    updated_at: Moment


class ElementFilter(PageParams):
    mode: Mode | None = None
    status: ElementStatus | None = None


def router(store: Store, guard: Guard) -> APIRouter:
    routes = APIRouter(prefix="/api/v1/storage-elements", tags=["storage elements"])
    reader = Annotated[Principal, Depends(guard.require(Scope.STORAGE_READ))]

    @routes.get("")
    async def list_storage_elements(_who: reader, wanted: Annotated[ElementFilter, Query()]) -> Page[ElementOut]:
        async with store.transaction() as rows:
            found, total = await rows.elements.page(
                mode=wanted.mode, status=wanted.status, limit=wanted.limit, offset=wanted.offset
            )
        items = [ElementOut.model_validate(element) for element in found]
        return Page[ElementOut].of(items, total=total, limit=wanted.limit, offset=wanted.offset)

    @routes.get("/{storage_id}")
    async def get_storage_element(_who: reader, storage_id: StorageId) -> ElementOut:
        async with store.transaction() as rows:
            return ElementOut.model_validate(await get_element(rows.elements, storage_id))

    return routes

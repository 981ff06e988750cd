"""`GET /api/v1/renditions/{file_id}`: what there is of a file, and where."""

from typing import Annotated
from uuid import UUID

from artstore_auth.guard import Guard
from artstore_core.scopes import Principal, Scope
from fastapi import APIRouter, Depends, Response
from pydantic import BaseModel

from render_service.decoders.contract import RenditionKind
from render_service.renditions.viewing import Shown, Viewing
from render_service.renditions.ways import BASE


class RenditionAnswer(BaseModel):
    """`url` is open for ten minutes and needs no token; `iiif` only of tiles. One that is not `ready` is being made."""

    id: UUID
    kind: RenditionKind
    page: int | None = None
    width: int | None = None
    height: int | None = None
    url: str
    iiif: str | None = None
    ready: bool

    @classmethod
    def of(cls, shown: Shown) -> "RenditionAnswer":
        return cls(**{name: getattr(shown, name) for name in cls.model_fields})


def router(viewing: Viewing, guard: Guard) -> APIRouter:
    router = APIRouter(prefix=BASE, tags=["renditions"])
    reader = guard.require(Scope.FILES_READ)

    # `page` and `iiif` are absent where they mean nothing (api.md).
    @router.get("/{file_id}", response_model_exclude_none=True)
    async def list_renditions(
        file_id: UUID, response: Response, principal: Annotated[Principal, Depends(reader)]
    ) -> list[RenditionAnswer]:
        """Everything that was made of the file. What was never made, or was lost, is put first in the queue.

        The ticket of any of the urls also opens `/events`. Asked again in time, it keeps the urls of tiles open.
        """
        shown = await viewing.show(file_id, principal.subject)
        response.headers["Cache-Control"] = "private, no-store"
        return [RenditionAnswer.of(one) for one in shown]

    return router

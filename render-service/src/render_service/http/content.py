"""The bytes of one rendition, for whoever has a url from the list."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Annotated, Any, Final
from uuid import UUID

from artstore_core.errors import NotFound
from artstore_transfer import Conditions, Representation, answer
from artstore_transfer.contract import ASKED, Answers, answers_to_get, answers_to_head
from fastapi import APIRouter, Path, Query, Request, Response
from fastapi.responses import RedirectResponse, StreamingResponse

from render_service.decoders.contract import RenditionKind
from render_service.renditions.rendition import Kept
from render_service.renditions.store import Missing, Presigns, RenditionStore
from render_service.renditions.viewing import Viewing
from render_service.renditions.ways import BASE

Ticket = Annotated[str, Query(max_length=4096, description="As it stands in the url")]
Name = Annotated[str, Path(max_length=128, pattern=r"^[a-z0-9.-]+$")]

PRIVATE: Final = {
    # As long as a url is open. Nobody else's cache may keep it, and a page that leads on must not tell the ticket.
    "Cache-Control": "private, max-age=600",
    "Referrer-Policy": "no-referrer",
}
_PRESIGNED_SECONDS: Final = 300
_ELSEWHERE: Final[Answers] = {307: {"description": "Where the store itself gives it out"}}
_CONTRACT: Final[dict[str, Any]] = {
    "response_model": None,
    "response_class": Response,
    "openapi_extra": {"parameters": ASKED},
}


def router(viewing: Viewing, store: RenditionStore, *, redirect: bool) -> APIRouter:
    """`redirect`: viewers are sent to the store, where it can take them."""
    router = APIRouter(prefix=BASE, tags=["renditions"])
    presigns = store if redirect and isinstance(store, Presigns) else None

    async def give(request: Request, file_id: UUID, name: str, ticket: str) -> Response:
        viewing.ways.check(ticket, file_id)
        kept = await viewing.kept(file_id, name)
        if kept.rendition.kind is RenditionKind.TILE:
            raise NotFound("There is no such rendition")
        if presigns is not None and request.method == "GET":  # which is the one method that its signature is for
            if not await store.has(kept.rendition.key):
                raise await viewing.lost(kept)
            url = await presigns.presign(kept.rendition.key, _PRESIGNED_SECONDS, kept.rendition.media_type)
            return RedirectResponse(url, 307, headers={**PRIVATE, "Cache-Control": "private, no-store"})
        return await _stream(request, kept)

    async def _stream(request: Request, kept: Kept) -> Response:
        one = kept.rendition
        shown = Representation(one.size, one.checksum, one.media_type, one.made_at, one.name)
        found = answer(shown, request.method, Conditions.of(request.scope["headers"]))
        headers = found.headers | PRIVATE
        if found.body is None:
            return Response(status_code=found.status, headers=headers)
        pieces = store.read(one.key, found.body)
        try:
            first = await anext(pieces, b"")
        except Missing:
            raise await viewing.lost(kept) from None
        return StreamingResponse(_joined(first, pieces), found.status, headers)

    @router.get("/{file_id}/content/{name}", responses=answers_to_get("image/*") | _ELSEWHERE, **_CONTRACT)
    async def get_rendition(request: Request, file_id: UUID, name: Name, ticket: Ticket) -> Response:
        """The bytes. One range and conditions are honoured; 503 where they are lost and are being made again."""
        return await give(request, file_id, name, ticket)

    @router.head("/{file_id}/content/{name}", responses=answers_to_head(), **_CONTRACT)
    async def check_rendition(request: Request, file_id: UUID, name: Name, ticket: Ticket) -> Response:
        """The headers that GET would answer with."""
        return await give(request, file_id, name, ticket)

    return router


async def _joined(first: bytes, rest: AsyncIterator[bytes]) -> AsyncIterator[bytes]:
    yield first
    async for piece in rest:
        yield piece

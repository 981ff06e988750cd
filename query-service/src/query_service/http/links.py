"""`POST /api/v1/files/{id}/links`, and what such a link opens."""

from datetime import timedelta
from typing import Annotated, Any, Final
from uuid import UUID

from artstore_core.files import Moment
from artstore_core.scopes import Principal
from artstore_tickets import MAX_LIFETIME, Disposition
from artstore_transfer.contract import ASKED, answers_to_get, answers_to_head
from fastapi import APIRouter, Depends, Query, Request, Response
from pydantic import BaseModel, ConfigDict, Field

from query_service.files.download import Downloads
from query_service.files.limits import DownloadSlots, RequestRate
from query_service.files.links import PATH, Links
from query_service.http.door import Door
from query_service.http.stream import conditions_of, gateway_of, open_stream

MAX_SECONDS: Final = int(MAX_LIFETIME.total_seconds())
# A page that a browser opens from a link, and leads on from, shall not tell the ticket to the next one.
_UNTOLD: Final = {"Referrer-Policy": "no-referrer"}

Ticket = Annotated[str, Query(max_length=4096, description="As it stands in the link")]


class LinkRequest(BaseModel):
    """`expires_in` in seconds. `disposition` absent: as a download without a link."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    disposition: Disposition | None = None
    expires_in: Annotated[int, Field(ge=1, le=MAX_SECONDS)] = MAX_SECONDS


class LinkAnswer(BaseModel):
    url: str
    expires_at: Moment


def router(links: Links, downloads: Downloads, slots: DownloadSlots, rate: RequestRate, door: Door) -> APIRouter:
    router = APIRouter(tags=["links"])
    contract: dict[str, Any] = {
        "response_model": None,
        "response_class": Response,
        "openapi_extra": {"parameters": ASKED},
    }

    @router.post("/api/v1/files/{file_id}/links")
    async def create_link(
        file_id: UUID,
        response: Response,
        maker: Annotated[Principal, Depends(door.reader)],
        wanted: LinkRequest | None = None,
    ) -> LinkAnswer:
        """A url that gives the bytes without a token, for ten minutes at most."""
        wanted = wanted or LinkRequest()
        lifetime = timedelta(seconds=wanted.expires_in)
        link = await links.make(file_id, maker.subject, lifetime, wanted.disposition)
        response.headers["Cache-Control"] = "no-store"
        return LinkAnswer(url=link.url, expires_at=link.expires_at)

    async def stream(request: Request, ticket: str) -> Response:
        followed = links.follow(ticket, request.method, conditions_of(request))
        rate.take(followed.account)
        return await open_stream(downloads, slots, followed.account, followed.asked, gateway_of(request), _UNTOLD)

    @router.get(PATH, responses=answers_to_get(), **contract)
    async def follow_link(request: Request, ticket: Ticket) -> Response:
        """The bytes, as `/files/{file_id}/download` gives them: ranges and conditions, no token."""
        return await stream(request, ticket)

    @router.head(PATH, responses=answers_to_head(), **contract)
    async def check_link(request: Request, ticket: Ticket) -> Response:
        """The headers that GET would answer with."""
        return await stream(request, ticket)

    return router

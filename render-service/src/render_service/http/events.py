"""`GET /api/v1/renditions/{file_id}/events`: how far a conversion is, as it goes (Server-Sent Events, WHATWG HTML §9.2)."""

from collections.abc import AsyncIterator
from contextlib import ExitStack
from typing import Annotated, Any, Final
from uuid import UUID

from artstore_auth.guard import Credentials, Guard
from artstore_core.errors import NotFound
from artstore_core.scopes import Scope
from fastapi import APIRouter, Header, Query, Response
from fastapi.responses import StreamingResponse
from starlette.types import Receive, Send
from starlette.types import Scope as AsgiScope

from render_service.renditions.following import Feeds, JobOf, Patience, follow, is_over
from render_service.renditions.viewing import Viewing
from render_service.renditions.ways import BASE

_STREAM: Final[dict[int | str, dict[str, Any]]] = {
    200: {
        "description": "Events `waiting`, `converting`, `ready`, `failed`, `gone`",
        "content": {"text/event-stream": {}},
    },
    204: {"description": "Nothing more will come: EventSource does not come back"},
}
_HEADERS: Final = {"Cache-Control": "private, no-store", "X-Accel-Buffering": "no"}


class _Stream(StreamingResponse):
    """However it ends, its place is free again."""

    def __init__(self, content: AsyncIterator[bytes], place: ExitStack) -> None:
        self._place = place
        super().__init__(content, media_type="text/event-stream", headers=_HEADERS)

    async def __call__(self, scope: AsgiScope, receive: Receive, send: Send) -> None:
        with self._place:
            await super().__call__(scope, receive, send)


def router(viewing: Viewing, jobs: JobOf, feeds: Feeds, guard: Guard, patience: Patience) -> APIRouter:
    router = APIRouter(prefix=BASE, tags=["renditions"])

    @router.get("/{file_id}/events", response_model=None, response_class=Response, responses=_STREAM)
    async def follow_conversion(
        file_id: UUID,
        credentials: Credentials,
        ticket: Annotated[str | None, Query(max_length=4096)] = None,
        last_event_id: Annotated[str | None, Header()] = None,
    ) -> Response:
        """Follows a conversion, and starts it if need be. A ticket stands for the header, which EventSource cannot send."""
        if ticket is not None and credentials is None:
            viewing.ways.check(ticket, file_id)
        else:
            guard.check(await guard.authenticate(credentials), Scope.FILES_READ)
        job = await viewing.wanted(await viewing.readable(file_id))
        if job is None:
            raise NotFound("There are no previews of this file")
        if is_over(job, last_event_id):
            return Response(status_code=204)
        place = ExitStack()
        news = place.enter_context(feeds.subscribed(file_id))
        return _Stream(follow(jobs, feeds, news, file_id, patience), place)

    return router

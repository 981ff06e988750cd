"""`GET /api/v1/files/{id}` and its bytes."""

from typing import Annotated, Any, Final
from uuid import UUID

from artstore_core.files import File
from artstore_kit.plain import FILE_ID_PARAMETER, PlainRoute, file_id_of
from artstore_transfer import Conditions, Verdict, judge
from artstore_transfer.contract import ASKED, answers_to_get, answers_to_head
from fastapi import APIRouter, Depends, Header, Request, Response
from fastapi.responses import JSONResponse

from query_service.files.download import Asked, Downloads
from query_service.files.limits import DownloadSlots
from query_service.files.lookup import find
from query_service.http.door import Door
from query_service.http.stream import conditions_of, gateway_of, open_stream

_CONTRACT: Final[dict[str, Any]] = {"parameters": [FILE_ID_PARAMETER, *ASKED]}


def router(downloads: Downloads, door: Door) -> APIRouter:
    """What is known of a file."""
    router = APIRouter(prefix="/api/v1/files", tags=["files"], dependencies=[Depends(door.reader)])

    async def describe(file_id: UUID, if_none_match: str | None) -> Response:
        file = (await find(downloads.registry, file_id, downloads.clock)).file
        headers = {"ETag": f'"{file.revision}"', "Cache-Control": "private, no-cache"}
        conditions = Conditions(if_none_match=if_none_match)
        if judge("GET", conditions, etag=headers["ETag"], last_modified=file.uploaded_at) is Verdict.NOT_MODIFIED:
            return Response(status_code=304, headers=headers)
        return JSONResponse(file.model_dump(mode="json"), headers=headers)

    @router.get(
        "/{file_id}", response_model=None, responses={200: {"model": File}, 304: {"description": "Not modified"}}
    )
    async def get_file(
        file_id: UUID,
        if_none_match: Annotated[str | None, Header()] = None,
    ) -> Response:
        """What is known of a file. The ETag is the revision of its description, not of its bytes."""
        return await describe(file_id, if_none_match)

    @router.head(
        "/{file_id}",
        response_model=None,
        response_class=Response,
        responses={200: {"description": "The headers of GET"}, 304: {"description": "Not modified"}},
    )
    async def check_file(
        file_id: UUID,
        if_none_match: Annotated[str | None, Header()] = None,
    ) -> Response:
        """The headers that GET would answer with."""
        return await describe(file_id, if_none_match)  # the server sends no body to HEAD (RFC 9110 §9.3.2)

    return router


def bytes_router(downloads: Downloads, slots: DownloadSlots, door: Door) -> APIRouter:
    """A plain route."""
    router = APIRouter(prefix="/api/v1/files", tags=["files"], route_class=PlainRoute)
    contract: dict[str, Any] = {
        "response_model": None,
        "response_class": Response,
        "dependencies": [Depends(door.reader)],
        "openapi_extra": _CONTRACT,
    }

    async def stream(request: Request) -> Response:
        reader = await door.admit(request)
        asked = Asked(file_id_of(request), request.method, conditions_of(request))
        return await open_stream(downloads, slots, reader.subject, asked, gateway_of(request))

    @router.get("/{file_id}/download", responses=answers_to_get(), **contract)
    async def download_file(request: Request) -> Response:
        """The bytes. One range (RFC 9110 §14) and conditions (§13) are honoured; the ETag is the checksum."""
        return await stream(request)

    @router.head("/{file_id}/download", responses=answers_to_head(), **contract)
    async def check_download(request: Request) -> Response:
        """The headers that GET would answer with."""
        return await stream(request)

    return router

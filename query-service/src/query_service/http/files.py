"""`GET /api/v1/files/{id}` and its bytes."""

from typing import Annotated, Any
from uuid import UUID

from artstore_auth.guard import Guard
from artstore_core.files import File
from artstore_core.scopes import Scope
from artstore_transfer import Conditions, Verdict, judge
from fastapi import APIRouter, Depends, Header, Request, Response
from fastapi.responses import JSONResponse

from query_service.files.download import Downloads
from query_service.files.lookup import find
from query_service.http.stream import ByteStream

_PASSED_ON = ("range", "if-range", "if-match", "if-none-match", "if-modified-since", "if-unmodified-since")
_BYTES = {"schema": {"type": "string", "contentMediaType": "application/octet-stream"}}
_DOWNLOAD: dict[int | str, dict[str, Any]] = {
    200: {"description": "The whole file", "content": {"application/octet-stream": _BYTES}},
    206: {"description": "The part asked for", "content": {"application/octet-stream": _BYTES}},
    304: {"description": "Not modified"},
}


def router(downloads: Downloads, guard: Guard) -> APIRouter:
    router = APIRouter(prefix="/api/v1/files", tags=["files"], dependencies=[Depends(guard.require(Scope.FILES_READ))])

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
        responses={200: {"description": "The headers of GET"}, 304: {"description": "Not modified"}},
    )
    async def check_file(
        file_id: UUID,
        if_none_match: Annotated[str | None, Header()] = None,
    ) -> Response:
        """The headers that GET would answer with."""
        return await describe(file_id, if_none_match)  # the server sends no body to HEAD (RFC 9110 §9.3.2)

    async def open_stream(file_id: UUID, request: Request) -> ByteStream:
        asked = {name: value for name in _PASSED_ON if (value := request.headers.get(name)) is not None}
        return ByteStream(await downloads.open(file_id, request.method, asked))

    @router.get("/{file_id}/download", response_model=None, responses=_DOWNLOAD)
    async def download_file(
        file_id: UUID,
        request: Request,
    ) -> Response:
        """The bytes. One range (RFC 9110 §14) and conditions (§13) are honoured; the ETag is the checksum."""
        return await open_stream(file_id, request)

    @router.head("/{file_id}/download", response_model=None, responses={200: {"description": "The headers of GET"}})
    async def check_download(
        file_id: UUID,
        request: Request,
    ) -> Response:
        """The headers that GET would answer with."""
        return await open_stream(file_id, request)

    return router

"""`/api/v1/files`: store, find, list and download."""

from __future__ import annotations

from contextlib import AsyncExitStack
from typing import Annotated, Any, Final
from uuid import UUID

from artstore_core.errors import ValidationFailed
from artstore_core.files import File, FileStatus
from artstore_core.pages import Page
from artstore_kit.paging import PageParams
from artstore_tickets import Disposition, Ticket
from artstore_transfer import Conditions, Representation, answer, sha256_of
from fastapi import APIRouter, Depends, Header, Query, Request, Response

from storage_element.http.access import Access
from storage_element.http.body import body_of
from storage_element.http.download import FileResponse
from storage_element.http.schemas import METADATA_HEADER, parse_metadata
from storage_element.store.files import Files
from storage_element.store.workers import Workers

_BYTES: Final[dict[str, Any]] = {"schema": {"type": "string", "format": "binary"}}
_BYTES_IN: Final[dict[str, Any]] = {
    "requestBody": {"required": True, "content": {"application/octet-stream": _BYTES}},
}
_BYTES_OUT: Final[dict[int | str, dict[str, Any]]] = {
    200: {"description": "The whole file", "content": {"application/octet-stream": _BYTES}},
    206: {"description": "The range that was asked for", "content": {"application/octet-stream": _BYTES}},
    304: {"description": "The client has it already"},
}


class ListParams(PageParams):
    """`after` is the id of the last file of the page before; with it, `offset` must be 0."""

    after: UUID | None = None
    status: FileStatus | None = None


def files_router(files: Files, access: Access, workers: Workers, idle_seconds: float) -> APIRouter:
    router = APIRouter(prefix="/api/v1/files", tags=["files"])

    @router.put(
        "/{file_id}",
        status_code=201,
        dependencies=[Depends(access.write)],
        responses={200: {"model": File, "description": "This very file is there already"}},
        openapi_extra=_BYTES_IN,
    )
    async def put_file(
        file_id: UUID,
        request: Request,
        response: Response,
        metadata: Annotated[str | None, Header(alias=METADATA_HEADER, description="base64url of JSON")] = None,
        repr_digest: Annotated[str | None, Header(description="sha-256 of the file (RFC 9530)")] = None,
    ) -> File:
        """Store a file whole, under an id of the caller's."""
        incoming, checksum = parse_metadata(metadata), sha256_of(repr_digest)
        kept = await files.put(file_id, incoming, body_of(request, idle_seconds), checksum)
        response.status_code = 201 if kept.new else 200
        return kept.file

    @router.get("", dependencies=[Depends(access.list)])
    async def list_files(params: Annotated[ListParams, Query()]) -> Page[File]:
        """All files, by id; `after` walks by key and misses nothing."""
        if params.after is not None and params.offset:
            raise ValidationFailed("after and offset exclude each other", details={"offset": "must be 0 with after"})
        return await files.page(limit=params.limit, offset=params.offset, after=params.after, status=params.status)

    @router.get("/{file_id}", dependencies=[Depends(access.read)])
    async def get_file(file_id: UUID, response: Response) -> File:
        """What is known of a file. The ETag is its revision."""
        file = await files.get(file_id)
        response.headers["ETag"] = f'"{file.revision}"'
        return file

    @router.head("/{file_id}/download", responses=_BYTES_OUT, response_class=Response, name="head_file_bytes")
    @router.get("/{file_id}/download", responses=_BYTES_OUT, response_class=Response)
    async def download_file(
        file_id: UUID,
        request: Request,
        ticket: Ticket | None = Depends(access.read_bytes),
        disposition: Annotated[Disposition | None, Query()] = None,
    ) -> Response:
        """The bytes: whole, or a range; conditions as in RFC 9110."""
        async with AsyncExitStack() as held:
            file, reader = await held.enter_async_context(files.opened(file_id))
            if ticket is not None and ticket.filename is not None:
                file = file.model_copy(update={"original_filename": ticket.filename})
            wanted = ticket.disposition if ticket is not None and ticket.disposition else disposition
            found = answer(Representation.of(file), request.method, Conditions.of(request.headers.raw), wanted)
            return FileResponse(found, reader, held.pop_all(), workers)

    return router

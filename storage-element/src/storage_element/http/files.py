"""`/api/v1/files`: store, find, list and download."""

from __future__ import annotations

from contextlib import AsyncExitStack
from typing import Annotated, Any, Final, get_args
from uuid import UUID

from artstore_core.errors import ValidationFailed
from artstore_core.files import File, FileStatus
from artstore_core.pages import Page
from artstore_core.scopes import Principal
from artstore_kit.json_route import SmallJsonRoute
from artstore_kit.paging import PageParams
from artstore_kit.plain import FILE_ID_PARAMETER, PlainRoute, parameter
from artstore_tickets import Disposition
from artstore_transfer import Conditions, Representation, answer, matching
from fastapi import APIRouter, Depends, Header, Query, Request, Response
from pydantic import TypeAdapter

from storage_element.http.access import Access
from storage_element.http.body import body_of, claimed_checksum
from storage_element.http.download import FileResponse
from storage_element.http.plain import file_id_of, json_response
from storage_element.http.schemas import METADATA_HEADER, parse_metadata
from storage_element.store.decisions import revision_tag
from storage_element.store.files import Files
from storage_element.store.records import Update
from storage_element.store.workers import Workers

_BYTES: Final[dict[str, Any]] = {"schema": {"type": "string", "format": "binary"}}
_PUT_CONTRACT: Final[dict[str, Any]] = {
    "parameters": [
        FILE_ID_PARAMETER,
        parameter(METADATA_HEADER, "header", "base64url of JSON", required=True),
        parameter("Repr-Digest", "header", "sha-256 of the file (RFC 9530)"),
        parameter("Content-Digest", "header", "sha-256 of the body, which is the file"),
    ],
    "requestBody": {"required": True, "content": {"application/octet-stream": _BYTES}},
}
_KEPT: Final[dict[int | str, dict[str, Any]]] = {
    200: {"model": File, "description": "This very file is there already"},
    201: {"model": File, "description": "It would survive a power cut now"},
}
_BYTES_OUT: Final[dict[int | str, dict[str, Any]]] = {
    200: {"description": "The whole file", "content": {"application/octet-stream": _BYTES}},
    206: {"description": "The range that was asked for", "content": {"application/octet-stream": _BYTES}},
    304: {"description": "The client has it already"},
}
_SUBJECT: Final = r"^[^\x00-\x20\x7f]{1,255}$"
_TICKET: Final = {"type": "string", "maxLength": 4096}
_DISPOSITION: Final = {"type": "string", "enum": list(get_args(Disposition))}
_DISPOSITIONS: Final = TypeAdapter[Disposition](Disposition)
_DOWNLOAD_CONTRACT: Final[dict[str, Any]] = {
    "responses": _BYTES_OUT,
    "response_class": Response,
    "openapi_extra": {
        "parameters": [
            FILE_ID_PARAMETER,
            parameter("disposition", "query", "How a browser shall take it", _DISPOSITION),
            parameter("ticket", "query", "Stands for the token", _TICKET),
        ],
        "security": [{"accessToken": []}],
    },
}


class ListParams(PageParams):
    """`after` is the id of the last file of the page before; with it, `offset` must be 0."""

    after: UUID | None = None
    status: FileStatus | None = None


def parse_disposition(text: str | None) -> Disposition | None:
    """Raises ValidationFailed."""
    try:
        return None if text is None else _DISPOSITIONS.validate_python(text)
    except ValueError:
        allowed = " or ".join(get_args(Disposition))
        raise ValidationFailed("The request is not valid", details={"disposition": f"must be {allowed}"}) from None


def bytes_router(files: Files, access: Access, workers: Workers, idle_seconds: float) -> APIRouter:
    """Files up and down: plain routes."""
    router = APIRouter(prefix="/api/v1/files", tags=["files"], route_class=PlainRoute)

    @router.put(
        "/{file_id}",
        status_code=201,
        dependencies=[Depends(access.write)],
        responses=_KEPT,
        openapi_extra=_PUT_CONTRACT,
    )
    async def put_file(request: Request) -> Response:
        """Store a file whole, under an id of the caller's."""
        await access.writer(request)
        file_id, headers = file_id_of(request), request.headers
        incoming = parse_metadata(headers.get(METADATA_HEADER))
        checksum = claimed_checksum(headers.get("repr-digest"), headers.get("content-digest"))
        kept = await files.put(file_id, incoming, body_of(request, idle_seconds), checksum)
        return json_response(kept.file, 201 if kept.new else 200)

    @router.head("/{file_id}/download", name="head_file_bytes", **_DOWNLOAD_CONTRACT)
    @router.get("/{file_id}/download", **_DOWNLOAD_CONTRACT)
    async def download_file(request: Request) -> Response:
        """The bytes: whole, or a range; conditions as in RFC 9110."""
        file_id = file_id_of(request)
        ticket = await access.read_bytes(request, file_id)
        disposition = parse_disposition(request.query_params.get("disposition"))
        async with AsyncExitStack() as held:
            file, reader = await held.enter_async_context(files.opened(file_id))
            if ticket is not None and ticket.filename is not None:
                file = file.model_copy(update={"original_filename": ticket.filename})
            wanted = ticket.disposition if ticket is not None and ticket.disposition else disposition
            found = answer(Representation.of(file), request.method, Conditions.of(request.headers.raw), wanted)
            return FileResponse(found, reader, held.pop_all(), workers)

    return router


def files_router(files: Files, access: Access) -> APIRouter:
    """What is known of files."""
    router = APIRouter(prefix="/api/v1/files", tags=["files"])
    json_router = APIRouter(route_class=SmallJsonRoute)

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
        response.headers["ETag"] = revision_tag(file)
        return file

    @json_router.patch("/{file_id}", dependencies=[Depends(access.write)])
    async def update_file(
        file_id: UUID,
        given: Update,
        response: Response,
        if_match: Annotated[str | None, Header(description="The revision's ETag")] = None,
    ) -> File:
        """Change description, tags or metadata: a field that is given replaces the old value whole, null clears it."""
        file = await files.update(file_id, given, matching(if_match))
        response.headers["ETag"] = revision_tag(file)
        return file

    @router.delete("/{file_id}", status_code=204)
    async def delete_file(
        file_id: UUID,
        if_match: Annotated[str | None, Header(description="The revision's ETag")] = None,
        artstore_subject: Annotated[
            str | None, Header(description="For whom the caller does it", pattern=_SUBJECT)
        ] = None,
        principal: Principal = Depends(access.write),
    ) -> Response:
        """Delete a file. Its bytes go with the next garbage collection; downloads that have begun finish. The ETag is
        the revision in which it is deleted."""
        gone = await files.delete(file_id, artstore_subject or principal.subject, matching(if_match))
        return Response(status_code=204, headers={"ETag": revision_tag(gone)})

    router.include_router(json_router)
    return router

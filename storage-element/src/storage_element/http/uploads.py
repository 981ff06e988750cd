"""`/api/v1/uploads/{upload_id}`: staging. The upload's id becomes the file's."""

from __future__ import annotations

from contextlib import AsyncExitStack
from datetime import timedelta
from typing import Annotated, Any, Final
from uuid import UUID

from artstore_core.files import File
from artstore_kit.json_route import SmallJsonRoute
from artstore_transfer import Answer, ByteRange, parse_range
from fastapi import APIRouter, Depends, Header, Request, Response

from storage_element.http.access import Access
from storage_element.http.body import body_of
from storage_element.http.checksum import body_checksum
from storage_element.http.download import FileResponse
from storage_element.http.schemas import (
    Completion,
    Joining,
    PartsThere,
    PartThere,
    Reservation,
    Sealing,
    UploadFound,
    UploadState,
)
from storage_element.store.uploads import Uploads
from storage_element.store.workers import Workers

_BYTES: Final[dict[str, Any]] = {"application/octet-stream": {"schema": {"type": "string", "format": "binary"}}}
_BYTES_IN: Final[dict[str, Any]] = {
    "requestBody": {
        "required": True,
        "content": _BYTES,
    },
}
_OFFSET: Final = {"Upload-Offset": {"description": "Bytes that are there", "schema": {"type": "integer"}}}
_BYTES_OUT: Final[dict[int | str, dict[str, Any]]] = {
    200: {"description": "All that is there", "content": _BYTES, "headers": _OFFSET},
    206: {"description": "The range that was asked for", "content": _BYTES, "headers": _OFFSET},
}
_AT_OFFSET: Final[dict[int | str, dict[str, Any]]] = {204: {"description": "Done", "headers": _OFFSET}}


def uploads_router(
    uploads: Uploads, access: Access, workers: Workers, idle_seconds: float, staging_seconds: float
) -> APIRouter:
    lasts = timedelta(seconds=staging_seconds)
    router = APIRouter(prefix="/api/v1/uploads", tags=["uploads"], dependencies=[Depends(access.write)])
    json_router = APIRouter(route_class=SmallJsonRoute)

    @json_router.post(
        "/{upload_id}", status_code=201, responses={200: {"model": UploadState, "description": "It was begun before"}}
    )
    async def begin_upload(upload_id: UUID, reservation: Reservation, response: Response) -> UploadState:
        """Begin an upload and keep room for it."""
        reserved = await uploads.reserve(
            upload_id, reservation.size, reservation.part_of, reservation.context, reservation.part_size
        )
        response.status_code = 201 if reserved.new else 200
        return UploadState(upload_id=upload_id, offset=reserved.offset, size=reservation.size)

    @json_router.post(
        "/{upload_id}/complete",
        status_code=201,
        responses={200: {"model": File, "description": "It was completed before"}},
    )
    async def complete_upload(upload_id: UUID, completion: Completion, response: Response) -> File:
        """Make the file of what was uploaded."""
        kept = await uploads.complete(upload_id, completion.metadata, size=completion.size, checksum=completion.sha256)
        response.status_code = 201 if kept.new else 200
        return kept.file

    @json_router.post("/{upload_id}/concatenate")
    async def concatenate_uploads(upload_id: UUID, joining: Joining) -> UploadState:
        """Make this empty upload of other uploads, which were filled in parallel and end with this."""
        offset, size = await uploads.concatenate(upload_id, joining.parts)
        return UploadState(upload_id=upload_id, offset=offset, size=size)

    @json_router.post("/{upload_id}/seal")
    async def seal_upload(upload_id: UUID, sealing: Sealing) -> UploadState:
        """Take no parts any more: all are there, and are those that are named."""
        await uploads.parts.seal(upload_id, sealing.parts, sealing.sha256)
        offset, size = await uploads.offset(upload_id)
        return UploadState(upload_id=upload_id, offset=offset, size=size)

    @router.get("/{upload_id}/parts")
    async def list_parts(upload_id: UUID) -> PartsThere:
        """The parts that are there."""
        there = await uploads.parts.there(upload_id)
        listed = [
            PartThere(number=number, size=there[number].length, sha256=there[number].sha256) for number in sorted(there)
        ]
        return PartsThere(parts=listed)

    @router.patch("/{upload_id}", status_code=204, responses=_AT_OFFSET, openapi_extra=_BYTES_IN)
    async def append_to_upload(
        upload_id: UUID,
        request: Request,
        upload_offset: Annotated[int, Header(ge=0, le=2**62)],
        content_digest: Annotated[str | None, Header(description="sha-256 of this body (RFC 9530)")] = None,
        upload_checksum: Annotated[str | None, Header(description="md5, sha1 or sha256 and base64 (tus 1.0.0)")] = None,
    ) -> Response:
        """Add the body's bytes at the offset where the upload ends."""
        checksum = body_checksum(content_digest, upload_checksum)
        offset = await uploads.append(upload_id, upload_offset, body_of(request, idle_seconds), checksum)
        return _at(offset, 204)

    @router.head(
        "/{upload_id}",
        response_class=Response,
        responses={200: {"description": "Where it ends", "headers": _OFFSET}},
    )
    async def get_upload_offset(upload_id: UUID) -> Response:
        """Where the upload ends: measured, not remembered."""
        offset, size = await uploads.offset(upload_id)
        return _at(offset, 200, {} if size is None else {"Upload-Length": str(size)})

    @router.get("/{upload_id}/state")
    async def get_upload_state(upload_id: UUID) -> UploadFound:
        """All that is known of an upload, or of the file that it became."""
        found = await uploads.standing(upload_id)
        if isinstance(found, File):
            return UploadFound(upload_id=upload_id, offset=found.size, size=found.size, file=found)
        return UploadFound(
            upload_id=upload_id,
            offset=found.offset,
            size=found.agreement.size,
            busy=found.busy,
            context=None if found.agreement.context is None else dict(found.agreement.context),
            expires_at=found.last_received + lasts,
            lasts_seconds=staging_seconds,
            part_size=found.agreement.part_size,
        )

    @router.get("/{upload_id}", responses=_BYTES_OUT, response_class=Response)
    async def read_upload(upload_id: UUID, request: Request) -> Response:
        """The bytes that are there: all, or a range."""
        async with AsyncExitStack() as held:
            reader = await held.enter_async_context(uploads.opened(upload_id))
            # If-Range names a validator, and an upload has none: it is another one (RFC 9110 §13.1.5).
            wanted = None if "if-range" in request.headers else request.headers.get("range")
            return FileResponse(_shown(reader.size, wanted), reader, held.pop_all(), workers)

    @router.delete("/{upload_id}", status_code=204)
    async def abort_upload(upload_id: UUID) -> Response:
        """Forget the upload and its bytes; once more is no error."""
        await uploads.abort(upload_id)
        return Response(status_code=204)

    router.include_router(json_router)
    return router


def _at(offset: int, status: int, headers: dict[str, str] | None = None) -> Response:
    return Response(status_code=status, headers=_common(offset) | (headers or {}))


def _common(offset: int) -> dict[str, str]:
    # An offset that was cached would send a client on from the wrong place.
    return {"Upload-Offset": str(offset), "Cache-Control": "no-store"}


def _shown(size: int, wanted: str | None) -> Answer:
    """Raises InvalidRange."""
    part = parse_range(wanted, size)
    body = part or ByteRange(0, size)
    headers = _common(size) | {
        "Content-Type": "application/octet-stream",
        "Content-Length": str(body.length),
        "Accept-Ranges": "bytes",
        "X-Content-Type-Options": "nosniff",
    }
    if part is not None:
        headers["Content-Range"] = part.content_range(size)
    return Answer(206 if part else 200, headers, body)

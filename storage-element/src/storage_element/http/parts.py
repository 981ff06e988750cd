"""`PUT /api/v1/uploads/{upload_id}/parts/{number}`: one part, by a ticket, straight from a client (requirement U3)."""

from __future__ import annotations

from typing import Annotated, Any, Final
from uuid import UUID

from artstore_core.errors import ChecksumMismatch, ValidationFailed
from fastapi import APIRouter, Header, Path, Query, Request, Response

from storage_element.http.access import Access
from storage_element.http.body import body_of, claimed_checksum
from storage_element.http.schemas import PartReceived
from storage_element.store.parts import Parts

_ETAG: Final = {"ETag": {"description": "The part's SHA-256 in hex, in quotes", "schema": {"type": "string"}}}
_RECEIVED: Final[dict[int | str, dict[str, Any]]] = {200: {"description": "The part is safe", "headers": _ETAG}}
_BYTES_IN: Final[dict[str, Any]] = {
    "requestBody": {
        "required": True,
        "content": {"application/octet-stream": {"schema": {"type": "string", "format": "binary"}}},
    },
}


def parts_router(parts: Parts, access: Access, idle_seconds: float) -> APIRouter:
    router = APIRouter(prefix="/api/v1/uploads", tags=["uploads"])

    @router.put("/{upload_id}/parts/{number}", responses=_RECEIVED, openapi_extra=_BYTES_IN)
    async def put_part(
        upload_id: UUID,
        number: Annotated[int, Path(ge=1, le=2**31)],
        request: Request,
        response: Response,
        ticket: Annotated[str, Query(description="Made for this part; no token does")] = "",  # noqa: ARG001  access reads it
        content_digest: Annotated[str | None, Header(description="sha-256 of this part (RFC 9530)")] = None,
        repr_digest: Annotated[str | None, Header(description="The same")] = None,
    ) -> PartReceived:
        """Take a part, in place of what was there of it."""
        allowed = access.write_part(request, upload_id, number)
        if request.headers.get("content-encoding", "identity").lower() != "identity":
            raise ValidationFailed("The part must not be encoded.", details={"Content-Encoding": "is not supported"})
        claimed = claimed_checksum(repr_digest, content_digest)
        if claimed is not None and allowed.digest not in (None, claimed):
            raise ChecksumMismatch("The ticket and the request name different bytes.")
        body = body_of(request, idle_seconds)
        sha256 = await parts.put(upload_id, number, body, length=allowed.length, digest=claimed or allowed.digest)
        etag = f'"{sha256}"'
        response.headers["ETag"], response.headers["Cache-Control"] = etag, "no-store"
        return PartReceived(part_number=number, size=body.length or 0, etag=etag)

    return router

"""What goes over the wire beside tus's own headers, and how the contract tells of those."""

from __future__ import annotations

from typing import Any, Final, Literal
from uuid import UUID

from artstore_core.files import File, Moment
from fastapi import Response
from pydantic import BaseModel

from ingester_service.http.idempotency import KEY_HEADER
from ingester_service.http.parts_contract import BEGIN_SCHEMA, PartsBegun
from ingester_service.http.schemas import UploadedFile


class PartStatus(BaseModel):
    part_number: int
    size: int
    etag: str


class UploadStatus(BaseModel):
    """`offset` (what was received) and `size` in bytes; `size` is null while the client has not told it. `expires_at`: when
    the upload is removed, at the earliest, if nothing more comes. Of an upload in parts, `parts` are those that are safe."""

    upload_id: UUID
    status: Literal["uploading", "complete"]
    kind: Literal["whole", "partial", "final", "parts"]
    offset: int
    size: int | None
    expires_at: Moment | None = None
    file: File | None = None
    part_size: int | None = None
    parts: list[PartStatus] | None = None


def _header(name: str, description: str, kind: str = "string", *, required: bool = False) -> dict[str, Any]:
    found: dict[str, Any] = {"name": name, "in": "header", "description": description, "schema": {"type": kind}}
    return found | ({"required": True} if required else {})


def _told(**headers: str) -> dict[str, Any]:
    return {
        name.replace("_", "-"): {"description": text, "schema": {"type": "string"}} for name, text in headers.items()
    }


_VERSION: Final = _header("Tus-Resumable", "1.0.0; any other: 412", required=True)
_LENGTH: Final = _header("Upload-Length", "Bytes of the whole", "integer")
_CHECKSUM: Final = _header("Upload-Checksum", "md5, sha1 or sha256 of this body, and base64; differs: 460")
_BODY: Final[dict[str, Any]] = {
    "content": {"application/offset+octet-stream": {"schema": {"type": "string", "format": "binary"}}}
}

LEARN: Final[dict[str, Any]] = {
    "response_class": Response,
    "responses": {
        204: {
            "description": "What this server can do",
            "headers": _told(
                Tus_Version="Versions",
                Tus_Extension="Extensions",
                Tus_Max_Size="The largest upload, in bytes",
                Tus_Checksum_Algorithm="For Upload-Checksum",
            ),
        }
    },
}
LEARN_OF_ONE: Final[dict[str, Any]] = {
    **LEARN,
    "openapi_extra": {
        "parameters": [{"name": "upload_id", "in": "path", "required": True, "schema": {"type": "string"}}]
    },
}
BEGIN: Final[dict[str, Any]] = {
    "response_class": Response,
    "responses": {
        201: {
            "description": "It is begun. A body of JSON: what was begun in parts, or the file, where all bytes came",
            "model": UploadedFile | PartsBegun,
            "headers": _told(
                Location="The upload", Upload_Offset="Bytes that are there", Upload_Expires="When it ends"
            ),
        }
    },
    "openapi_extra": {
        "parameters": [
            _header(
                "Tus-Resumable", "1.0.0, and none with JSON, which begins an upload in signed parts; any other: 412"
            ),
            _LENGTH,
            _header("Upload-Defer-Length", "1: the length is told later"),
            _header("Upload-Metadata", "filename, filetype, description, tags, metadata, retention_policy, ttl_days"),
            _header("Upload-Concat", "partial, or final;<urls of partial uploads>"),
            _CHECKSUM,
            KEY_HEADER,
        ],
        "requestBody": {"content": {**_BODY["content"], "application/json": {"schema": BEGIN_SCHEMA}}},
    },
}
APPEND: Final[dict[str, Any]] = {
    "response_class": Response,
    "responses": {
        204: {
            "description": "Kept",
            "headers": _told(
                Upload_Offset="Bytes that are there",
                Upload_Expires="When it ends",
                Location="The file, once it is complete",
                Artstore_Registered="false: search and download find the file a little later",
            ),
        }
    },
    "openapi_extra": {
        "parameters": [
            _VERSION,
            _header("Upload-Offset", "Where the upload ends; elsewhere: 409", "integer", required=True),
            _LENGTH,
            _CHECKSUM,
        ],
        "requestBody": {"required": True, **_BODY},
    },
}
STAND: Final[dict[str, Any]] = {
    "response_class": Response,
    "responses": {
        200: {
            "description": "Where it ends",
            "headers": _told(
                Upload_Offset="Bytes that are there",
                Upload_Length="Bytes of the whole, where known",
                Upload_Metadata="As it was sent",
                Upload_Concat="partial, for a partial upload",
                Upload_Expires="When it ends",
            ),
        }
    },
    "openapi_extra": {"parameters": [_VERSION]},
}

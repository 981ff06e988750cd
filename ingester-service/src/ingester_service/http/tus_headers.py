"""The headers of tus 1.0.0, read and written."""

from __future__ import annotations

import base64
import binascii
import re
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import Final, NoReturn
from urllib.parse import urlsplit
from uuid import UUID

from artstore_core.errors import NotFound, TypeNotAllowed, ValidationFailed
from artstore_core.files import File
from artstore_transfer import http_date
from fastapi import Request

from ingester_service.resumable.begun import Kind, Standing
from ingester_service.resumable.joining import MAX_PARTS
from ingester_service.resumable.metadata import shown
from ingester_service.resumable.ports import Checksum

UPLOADS_PATH: Final = "/api/v1/uploads"
BYTES: Final = "application/offset+octet-stream"
EXTENSIONS: Final = "creation,creation-with-upload,creation-defer-length,expiration,termination,checksum,concatenation"
ALGORITHMS: Final = {"md5": 16, "sha1": 20, "sha256": 32}
"""With the bytes of a digest."""
_MAX_DIGITS: Final = 19


def upload_path(upload_id: UUID) -> str:
    """Where an upload is. Relative, for nobody here knows by which name the client came."""
    return f"{UPLOADS_PATH}/{upload_id}"


def upload_id_of(text: str) -> UUID:
    """Raises NotFound: what is no id is nobody's."""
    try:
        found = UUID(text)
    except ValueError:
        found = None
    if found is None or str(found) != text.lower():
        raise NotFound("There is no such upload")
    return found


def number(request: Request, name: str) -> int | None:
    """A whole number of bytes; None without the header. Raises ValidationFailed."""
    text = request.headers.get(name)
    if text is None:
        return None
    if not (text.isascii() and text.isdigit() and len(text) <= _MAX_DIGITS):
        refused(name, "must be a whole number")
    return int(text)


def length_to_begin(request: Request) -> int | None:
    """None for a length that is told later. Raises ValidationFailed."""
    length, deferred = number(request, "Upload-Length"), request.headers.get("upload-defer-length")
    if deferred is not None and deferred != "1":
        refused("Upload-Defer-Length", "must be 1")
    if (length is None) == (deferred is None):
        refused("Upload-Length", "must be given, or Upload-Defer-Length: 1")
    return length


def checksum_of(request: Request) -> Checksum | None:
    """Raises ValidationFailed for an algorithm that is not offered."""
    text = request.headers.get("upload-checksum")
    if text is None:
        return None
    algorithm, _, digest = text.partition(" ")
    try:
        size = len(base64.b64decode(digest, validate=True))
    except (binascii.Error, ValueError):
        size = -1
    if ALGORITHMS.get(algorithm) != size:
        refused("Upload-Checksum", f"must be one of {', '.join(ALGORITHMS)}, a blank, and the digest in base64")
    return Checksum(algorithm, digest)


def concat_of(request: Request) -> tuple[Kind, Sequence[UUID]]:
    """What `Upload-Concat` says an upload is, and its parts. Raises ValidationFailed."""
    text = request.headers.get("upload-concat")
    if text is None:
        return Kind.WHOLE, ()
    if text.strip() == "partial":
        return Kind.PARTIAL, ()
    kind, _, urls = text.partition(";")
    if kind.strip() != "final":
        refused("Upload-Concat", "must be partial, or final;<urls>")
    return Kind.FINAL, [_part(url) for url in urls.split(" ", MAX_PARTS + 1) if url]


def _part(url: str) -> UUID:
    """An upload of ours by its URL, as any client may have resolved it."""
    try:
        path = urlsplit(url).path
    except ValueError:
        path = ""
    before, _, last = path.rpartition("/")
    try:
        found = UUID(last) if re.fullmatch(r"[0-9a-fA-F-]{36}", last) else None
    except ValueError:
        found = None
    if found is None or not before.endswith(UPLOADS_PATH):
        refused("Upload-Concat", "names what is no upload of this server")
    return found


def check_bytes(request: Request) -> None:
    """Raises TypeNotAllowed (415) for a body that is not what tus sends."""
    if request.headers.get("content-type", "").strip().lower() != BYTES:
        raise TypeNotAllowed("The body's type is not that of an upload", details={"Content-Type": f"must be {BYTES}"})
    if request.headers.get("content-encoding", "identity").lower() != "identity":
        refused("Content-Encoding", "is not supported")


def refused(name: str, reason: str) -> NoReturn:
    raise ValidationFailed("The upload's headers are not valid", details={name: reason})


def of_standing(standing: Standing) -> dict[str, str]:
    """What HEAD tells (tus 1.0.0, "HEAD")."""
    headers = {"Upload-Offset": str(standing.offset), "Cache-Control": "no-store"}
    if standing.size is None:
        headers["Upload-Defer-Length"] = "1"
    else:
        headers["Upload-Length"] = str(standing.size)
    if standing.file is not None:
        headers["Upload-Metadata"] = _metadata_of(standing.file)
    if standing.begun is not None:
        if standing.begun.metadata:
            headers["Upload-Metadata"] = standing.begun.metadata
        if standing.begun.kind is Kind.PARTIAL:
            headers["Upload-Concat"] = "partial"
        if standing.begun.kind is Kind.FINAL and not standing.is_whole:
            del headers["Upload-Offset"]
    if standing.expires_at is not None:
        headers["Upload-Expires"] = http_date(standing.expires_at)
    return headers


def expires(standing: Standing) -> dict[str, str]:
    """Of an upload that received something just now; of a finished one nothing."""
    if standing.file is not None:
        return {}
    return {"Upload-Expires": http_date(datetime.now(UTC) + timedelta(seconds=standing.lasts_seconds))}


def _metadata_of(file: File) -> str:
    """What was sent with it is not kept once it is a file, and this is what was made of it."""
    return shown({"filename": file.original_filename, "filetype": file.content_type})

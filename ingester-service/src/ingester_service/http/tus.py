"""`/api/v1/uploads`: resumable uploads as in tus 1.0.0. The upload's id becomes the file's."""

from collections.abc import Awaitable, Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Annotated, Final

from artstore_audit import Entry
from artstore_auth.guard import Guard
from artstore_core.errors import ChecksumMismatch, Conflict, MethodNotAllowed, NotFound
from artstore_core.scopes import Principal, Scope
from fastapi import APIRouter, Depends, Query, Request, Response
from fastapi.responses import JSONResponse

from ingester_service.http import tus_headers as tus
from ingester_service.http.answers import file_shown
from ingester_service.http.body import body_of
from ingester_service.http.fields import Fields, query_fields
from ingester_service.http.idempotency import REPLAYED, Key
from ingester_service.http.journal import uploaded_entry
from ingester_service.http.tus_contract import APPEND, BEGIN, LEARN, LEARN_OF_ONE, STAND, PartStatus, UploadStatus
from ingester_service.http.tus_route import VERSION, TusRoute
from ingester_service.parts.ports import PartThere
from ingester_service.parts.service import SignedParts
from ingester_service.resumable.begun import Begun, Kind, Standing
from ingester_service.resumable.metadata import parse
from ingester_service.resumable.once import BeginOnce, Creation
from ingester_service.resumable.ports import Locked
from ingester_service.resumable.service import Body, Progress, ResumableUploads
from ingester_service.upload.limits import UploadLimits

_OVERRIDDEN: Final = ("PATCH", "DELETE", "HEAD")
_ALLOWED: Final = ("DELETE", "GET", "HEAD", "OPTIONS", "PATCH")


class BodyMismatch(ChecksumMismatch):
    """tus 1.0.0, "Checksum": a status of its own."""

    status = 460


def is_byte_path(path: str) -> bool:
    """Paths whose bodies are bytes of any length."""
    return path == tus.UPLOADS_PATH or path.startswith(f"{tus.UPLOADS_PATH}/")


def router(
    uploads: ResumableUploads,
    beginning: BeginOnce,
    parts: SignedParts,
    sending: UploadLimits,
    guard: Guard,
    report: Callable[[Entry], None],
    *,
    idle_seconds: float,
) -> APIRouter:
    """`report` is the audit log's. `idle_seconds`: how long a client may send nothing."""
    router = APIRouter(tags=["resumable uploads"], route_class=TusRoute)
    writer = Annotated[Principal, Depends(guard.require(Scope.FILES_WRITE))]

    def body(request: Request) -> Body:
        return Body(
            body_of(request, idle_seconds), tus.number(request, "Content-Length"), checksum=tus.checksum_of(request)
        )

    def told(progress: Progress, request: Request) -> Progress:
        if progress.uploaded is not None:
            report(uploaded_entry(progress.uploaded.file, request))
        return progress

    async def appended(request: Request, principal: Principal, upload_id: str) -> Response:
        tus.check_bytes(request)
        offset = tus.number(request, "Upload-Offset")
        if offset is None:
            tus.refused("Upload-Offset", "is missing")
        size = tus.number(request, "Upload-Length")
        brought = body(request)
        with sending.admit(principal.subject, brought.length), _mismatch_as_tus_has_it():
            progress = await uploads.append(tus.upload_id_of(upload_id), principal.subject, offset, brought, size=size)
        told(progress, request)
        headers = {"Upload-Offset": str(progress.standing.offset), **tus.expires(progress.standing)}
        return Response(status_code=204, headers=headers | _file_headers(progress))

    async def ended(_request: Request, principal: Principal, upload_id: str) -> Response:
        await uploads.end(tus.upload_id_of(upload_id), principal.subject)
        return Response(status_code=204)

    async def stood(request: Request, principal: Principal, upload_id: str) -> Response:
        progress = told(await uploads.settle(tus.upload_id_of(upload_id), principal.subject), request)
        return Response(status_code=200, headers=tus.of_standing(progress.standing))

    overridden: dict[str, Callable[[Request, Principal, str], Awaitable[Response]]] = dict(
        zip(_OVERRIDDEN, (appended, ended, stood), strict=True)
    )

    @router.options(tus.UPLOADS_PATH, status_code=204, **LEARN)
    @router.options(f"{tus.UPLOADS_PATH}/{{upload_id}}", status_code=204, name="learn_of_upload", **LEARN_OF_ONE)
    async def learn_of_uploads() -> Response:
        """What this server can do."""
        return Response(
            status_code=204,
            headers={
                "Tus-Version": VERSION,
                "Tus-Extension": tus.EXTENSIONS,
                "Tus-Max-Size": str(uploads.max_bytes),
                "Tus-Checksum-Algorithm": ",".join(tus.ALGORITHMS),
            },
        )

    @router.post(tus.UPLOADS_PATH, status_code=201, **BEGIN)
    async def begin_upload(
        request: Request,
        principal: writer,
        retention_policy: Annotated[str | None, Query(description="Where the metadata does not say it")] = None,
        ttl_days: Annotated[str | None, Query(description="The same")] = None,
        key: Key = None,
    ) -> Response:
        """Begin an upload; the body may bring its first bytes, or all."""
        kind, parts = tus.concat_of(request)
        begun = _begun(request, principal, kind, query_fields(retention_policy, ttl_days))
        if kind is Kind.FINAL:
            if "upload-length" in request.headers or "upload-defer-length" in request.headers:
                tus.refused("Upload-Length", "is that of the parts")
            progress, replayed = await beginning.begin(key, Creation(begun, parts=parts))
            return _created(told(progress, request), replayed=replayed)
        size = tus.length_to_begin(request)
        brings = request.headers.get("content-type", "").strip().lower() == tus.BYTES
        if brings or tus.number(request, "Content-Length"):
            tus.check_bytes(request)
        creation = Creation(begun, size, body(request) if brings else None)
        length = tus.number(request, "Content-Length") if brings else 0
        with sending.admit(principal.subject, length), _mismatch_as_tus_has_it():
            progress, replayed = await beginning.begin(key, creation)
        return _created(told(progress, request), with_offset=brings, replayed=replayed)

    @router.patch(f"{tus.UPLOADS_PATH}/{{upload_id}}", status_code=204, **APPEND)
    async def append_to_upload(request: Request, principal: writer, upload_id: str) -> Response:
        """Add bytes where the upload ends. The answer to the last ones comes once the file is safe."""
        return await appended(request, principal, upload_id)

    @router.head(f"{tus.UPLOADS_PATH}/{{upload_id}}", **STAND)
    async def get_upload_offset(request: Request, principal: writer, upload_id: str) -> Response:
        """Where the upload ends."""
        return await stood(request, principal, upload_id)

    @router.get(f"{tus.UPLOADS_PATH}/{{upload_id}}")
    async def get_upload(response: Response, principal: writer, upload_id: str) -> UploadStatus:
        """How far an upload is, and the file that it became."""
        response.headers["Cache-Control"] = "no-store"
        standing = await uploads.stand(tus.upload_id_of(upload_id), principal.subject)
        return _status(standing, await parts.there(standing))

    @router.delete(f"{tus.UPLOADS_PATH}/{{upload_id}}", status_code=204)
    async def end_upload(request: Request, principal: writer, upload_id: str) -> Response:
        """Give an upload up: nothing of it stays. Without tus, once more is no error."""
        if "tus-resumable" in request.headers:
            return await ended(request, principal, upload_id)
        try:
            return await ended(request, principal, upload_id)
        except NotFound:
            return Response(status_code=204)
        except Locked as locked:  # 423 is for clients of tus
            raise Conflict(locked.message, headers=locked.headers) from locked

    @router.post(f"{tus.UPLOADS_PATH}/{{upload_id}}", status_code=204, include_in_schema=False)
    async def override_method(request: Request, principal: writer, upload_id: str) -> Response:
        """For clients that can send GET and POST only: X-HTTP-Method-Override says what is meant."""
        meant = request.headers.get("x-http-method-override", "").upper()
        if meant not in overridden:
            raise MethodNotAllowed("This method is not allowed here", headers={"Allow": ", ".join(_ALLOWED)})
        return await overridden[meant](request, principal, upload_id)

    return router


def _begun(request: Request, principal: Principal, kind: Kind, query: Fields) -> Begun:
    """Raises ValidationFailed."""
    if unknown := request.query_params.keys() - {"retention_policy", "ttl_days"}:
        # A misspelt policy must not become the default one in silence.
        tus.refused(sorted(unknown)[0][:100], "is not known in the query string")
    header = request.headers.get("upload-metadata", "")
    described = parse(header)
    said = Fields(retention_policy=described.retention_policy, ttl_days=described.ttl_days)
    return Begun(principal.subject, kind, said.retention(query), header)


@contextmanager
def _mismatch_as_tus_has_it() -> Iterator[None]:
    try:
        yield
    except ChecksumMismatch as error:
        raise BodyMismatch("The bytes do not match their checksum", details={"Upload-Checksum": "differs"}) from error


def _created(progress: Progress, *, with_offset: bool = False, replayed: bool = False) -> Response:
    standing = progress.standing
    headers = {"Location": tus.upload_path(standing.upload_id), **tus.expires(standing)}
    if replayed:
        headers |= REPLAYED
    if with_offset:
        headers["Upload-Offset"] = str(standing.offset)
    if standing.file is None:
        return Response(status_code=201, headers=headers)
    body = file_shown(standing.file, registered=progress.registered)
    return JSONResponse(body, status_code=201, headers=headers | _file_headers(progress, location=False))


def _file_headers(progress: Progress, *, location: bool = True) -> dict[str, str]:
    """Of an answer to the last bytes: where the file is."""
    file, headers = progress.standing.file, {}
    if file is not None and location:
        headers["Location"] = f"/api/v1/files/{file.file_id}"
    if not progress.registered:
        headers["Artstore-Registered"] = "false"
    return headers


def _status(standing: Standing, parts: Sequence[PartThere]) -> UploadStatus:
    kind = Kind.WHOLE if standing.begun is None else standing.begun.kind
    return UploadStatus(
        upload_id=standing.upload_id,
        status="complete" if standing.file is not None else "uploading",
        kind=kind.value,
        offset=standing.offset,
        size=standing.size,
        expires_at=standing.expires_at,
        file=standing.file,
        part_size=standing.part_size,
        parts=None if standing.part_size is None else [_part(part) for part in parts],
    )


def _part(part: PartThere) -> PartStatus:
    return PartStatus(part_number=part.number, size=part.size, etag=f'"{part.sha256}"')

"""`/api/v1/uploads` in JSON: uploads in signed parts. They are seen and given up like those of tus (`http.tus`)."""

from collections.abc import Callable
from typing import Annotated, Final

from artstore_audit import Entry
from artstore_auth.guard import Guard
from artstore_core.errors import ValidationFailed
from artstore_core.scopes import Principal, Scope
from artstore_kit.json_route import SmallJsonRoute
from fastapi import APIRouter, Depends, Request, Response
from fastapi.responses import JSONResponse
from starlette.datastructures import Headers
from starlette.routing import Match
from starlette.types import Scope as AsgiScope

from ingester_service.http import tus_headers as tus
from ingester_service.http.answers import file_created
from ingester_service.http.idempotency import KEY_HEADER, REPLAYED, Key
from ingester_service.http.journal import uploaded_entry
from ingester_service.http.parts_contract import PartsBegun, PartsComplete, PartsUpload, PartsWanted, PartUrl, PartUrls
from ingester_service.http.schemas import UploadedFile
from ingester_service.parts.service import SignedParts
from ingester_service.parts.sizes import part_size_of
from ingester_service.resumable.begun import Begun, Kind, Standing
from ingester_service.resumable.once import BeginOnce, Creation
from ingester_service.upload.limits import UploadLimits

_NO_STORE: Final = {"Cache-Control": "no-store"}


class NotTusRoute(SmallJsonRoute):
    """Leaves alone what is not JSON, and whoever speaks tus: the same path and method are theirs."""

    def matches(self, scope: AsgiScope) -> tuple[Match, AsgiScope]:
        found, child = super().matches(scope)
        if found is Match.FULL and not _is_json_without_tus(Headers(scope=scope)):
            return Match.NONE, {}
        return found, child


def _is_json_without_tus(headers: Headers) -> bool:
    kind = headers.get("content-type", "").partition(";")[0].strip().lower()
    return kind == "application/json" and "tus-resumable" not in headers


def router(
    parts: SignedParts, beginning: BeginOnce, sending: UploadLimits, guard: Guard, report: Callable[[Entry], None]
) -> APIRouter:
    """`report` is the audit log's. To be asked before the routes of tus."""
    router = APIRouter(tags=["signed parts"], route_class=SmallJsonRoute)
    at_uploads = APIRouter(route_class=NotTusRoute)
    writer = Annotated[Principal, Depends(guard.require(Scope.FILES_WRITE))]

    # In the contract it stands with tus's: there is one operation for a path and a method.
    @at_uploads.post(tus.UPLOADS_PATH, status_code=201, include_in_schema=False)
    async def begin_parts(
        request: Request, response: Response, principal: writer, asked: PartsUpload, key: Key = None
    ) -> PartsBegun:
        """Begin an upload in parts."""
        if request.query_params:
            # A misspelt policy must not become the default one in silence.
            name = sorted(request.query_params)[0][:100]
            raise ValidationFailed("The request is not valid", details={name: "stands in the body, or nowhere"})
        begun = Begun(principal.subject, Kind.PARTS, asked.retention(), asked.header())
        with sending.admit(principal.subject, 0):
            progress, replayed = await beginning.begin(key, Creation(begun, asked.size))
        response.headers["Location"] = tus.upload_path(progress.standing.upload_id)
        response.headers.update(REPLAYED if replayed else {})
        return _begun(progress.standing)

    @router.post(f"{tus.UPLOADS_PATH}/{{upload_id}}/parts")
    async def sign_parts(response: Response, principal: writer, upload_id: str, wanted: PartsWanted) -> PartUrls:
        """Urls to PUT these parts to, good for ten minutes."""
        signed = await parts.sign(tus.upload_id_of(upload_id), principal.subject, wanted.by_number())
        response.headers.update(_NO_STORE)
        return PartUrls(
            parts=[PartUrl(part_number=one.number, url=one.url, expires_at=one.expires_at) for one in signed]
        )

    @router.post(
        f"{tus.UPLOADS_PATH}/{{upload_id}}/complete",
        status_code=201,
        response_model=None,
        responses={201: {"model": UploadedFile}},
        openapi_extra={"parameters": [KEY_HEADER]},
    )
    async def complete_parts(
        request: Request, principal: writer, upload_id: str, asked: PartsComplete, key: Key = None
    ) -> JSONResponse:
        """Make the file of the parts. However often: it is one file."""
        found, completion = tus.upload_id_of(upload_id), asked.completion()
        with sending.admit(principal.subject, 0):
            completed = await parts.complete(key, found, principal.subject, completion)
        if not completed.replayed:
            report(uploaded_entry(completed.uploaded.file, request))
        return file_created(completed.uploaded, replayed=completed.replayed)

    router.include_router(at_uploads)
    return router


def _begun(standing: Standing) -> PartsBegun:
    size = standing.size or 0
    return PartsBegun(
        upload_id=standing.upload_id,
        part_size=standing.part_size or part_size_of(size),
        expires_at=standing.expires_at,
    )

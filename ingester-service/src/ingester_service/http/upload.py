"""`POST /api/v1/files/upload`."""

from collections.abc import Callable
from typing import Annotated

from artstore_audit import Entry
from artstore_auth.guard import Guard
from artstore_core.errors import ValidationFailed
from artstore_core.scopes import Principal, Scope
from fastapi import APIRouter, Depends, Query, Request
from fastapi.responses import JSONResponse

from ingester_service.http.answers import file_created
from ingester_service.http.body import body_of
from ingester_service.http.fields import query_fields
from ingester_service.http.form import open_form, too_large
from ingester_service.http.idempotency import Key
from ingester_service.http.journal import uploaded_entry
from ingester_service.http.multipart import Limits, boundary_of
from ingester_service.http.schemas import UPLOAD_BODY, UploadedFile
from ingester_service.upload.limits import UploadLimits
from ingester_service.upload.once import UploadOnce

UPLOAD_PATH = "/api/v1/files/upload"


def _content_length(request: Request) -> int | None:
    text = request.headers.get("content-length", "")
    return int(text) if text.isascii() and text.isdigit() else None


def router(
    uploads: UploadOnce,
    sending: UploadLimits,
    guard: Guard,
    report: Callable[[Entry], None],
    *,
    max_bytes: int,
    idle_seconds: float,
) -> APIRouter:
    """`report` is the audit log's. `max_bytes`: of one file. `idle_seconds`: how long a client may send nothing."""
    router = APIRouter(tags=["upload"])
    limits = Limits()

    @router.post(
        UPLOAD_PATH,
        status_code=201,
        response_model=None,
        responses={201: {"model": UploadedFile}},
        openapi_extra=UPLOAD_BODY,
    )
    async def upload_file(
        request: Request,
        principal: Annotated[Principal, Depends(guard.require(Scope.FILES_WRITE))],
        retention_policy: Annotated[str | None, Query(description="Instead of the form's field")] = None,
        ttl_days: Annotated[str | None, Query(description="Instead of the form's field")] = None,
        key: Key = None,
    ) -> JSONResponse:
        """Stores one file. It is on the element's disk, durably, when this answers."""
        if unknown := request.query_params.keys() - {"retention_policy", "ttl_days"}:
            # A misspelt policy must not become the default one in silence.
            raise ValidationFailed(
                "The query string has parameters that mean nothing here",
                details=dict.fromkeys(sorted(unknown), "is not known; other fields stand in the form"),
            )
        query = query_fields(retention_policy, ttl_days)
        boundary = boundary_of(request.headers.get("content-type"))
        if request.headers.get("content-encoding", "identity").lower() != "identity":
            raise ValidationFailed("The body must not be encoded", details={"Content-Encoding": "is not supported"})
        length = _content_length(request)
        if length is not None and length > max_bytes + limits.form:
            # What is not the file is bounded, so this much can only be a file that is too large.
            raise too_large(max_bytes)
        bound = None if length is None else min(length, max_bytes)
        with sending.admit(principal.subject, length):
            received = await uploads.receive(
                key,
                principal.subject,
                bound,
                lambda: open_form(
                    body_of(request, idle_seconds),
                    boundary,
                    query=query,
                    max_bytes=max_bytes,
                    content_length=length,
                    limits=limits,
                ),
            )
        if received.is_new:
            report(uploaded_entry(received.uploaded.file, request))
        return file_created(received.uploaded, replayed=received.replayed)

    return router

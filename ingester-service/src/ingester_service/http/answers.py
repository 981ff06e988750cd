"""What the client of an upload hears of the file that came of it."""

from __future__ import annotations

from typing import Any

from artstore_core.files import File
from fastapi.responses import JSONResponse

from ingester_service.http.idempotency import REPLAYED
from ingester_service.upload.service import Uploaded


def file_shown(file: File, *, registered: bool) -> dict[str, Any]:
    """As `UploadedFile` has it."""
    shown = file.model_dump(mode="json")
    return shown if registered else shown | {"registered": False}


def file_created(uploaded: Uploaded, *, replayed: bool) -> JSONResponse:
    headers = {"Location": f"/api/v1/files/{uploaded.file.file_id}"} | (REPLAYED if replayed else {})
    return JSONResponse(file_shown(uploaded.file, registered=uploaded.registered), status_code=201, headers=headers)

"""What the element's plain routes share."""

from __future__ import annotations

from uuid import UUID

from artstore_core.errors import ValidationFailed
from artstore_kit import plain
from fastapi import Request, Response
from pydantic import BaseModel

from storage_element.store.changes import THE_ELEMENT


def file_id_of(request: Request) -> UUID:
    """The id in the path. Raises ValidationFailed."""
    file_id = plain.file_id_of(request)
    if file_id == THE_ELEMENT:
        raise ValidationFailed("The request is not valid", details={"file_id": "must not be the nil UUID"})
    return file_id


def json_response(model: BaseModel, status: int) -> Response:
    return Response(model.model_dump_json(), status, media_type="application/json")

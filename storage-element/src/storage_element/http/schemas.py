"""What goes over the wire beside File and ElementInfo of artstore_core."""

from __future__ import annotations

import base64
from typing import Annotated, Final
from uuid import UUID

from artstore_core.errors import ValidationFailed
from artstore_core.files import Checksum
from artstore_kit.errors import validation_failed
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from storage_element.store.records import IncomingFile

METADATA_HEADER: Final = "Artstore-Metadata"
_MAX_METADATA_HEADER: Final = 256 * 1024

Size = Annotated[int, Field(ge=0, le=2**62)]


class Reservation(BaseModel):
    """`size` in bytes: the most that the upload may grow to; room for it is kept. null where nobody knows."""

    model_config = ConfigDict(extra="forbid")

    size: Size | None = None


class UploadState(BaseModel):
    upload_id: UUID
    offset: int
    size: int | None


MAX_PARTS: Final = 10_000


class Joining(BaseModel):
    """Uploads by their ids, in the order in which their bytes shall stand."""

    model_config = ConfigDict(extra="forbid")

    parts: Annotated[list[UUID], Field(min_length=1, max_length=MAX_PARTS)]


class Completion(BaseModel):
    """`size` and `sha256` are checked against what arrived, where they are given."""

    model_config = ConfigDict(extra="forbid")

    metadata: IncomingFile
    size: Size | None = None
    sha256: Checksum | None = None


def parse_metadata(header: str | None) -> IncomingFile:
    """The header's base64url (no padding) of JSON. Raises ValidationFailed."""
    if header is None:
        raise ValidationFailed("The file's metadata is missing.", details={METADATA_HEADER: "is required"})
    if len(header) > _MAX_METADATA_HEADER:
        raise ValidationFailed("The file's metadata is too long.", details={METADATA_HEADER: "is too long"})
    try:
        content = base64.b64decode(header + "=" * (-len(header) % 4), altchars=b"-_", validate=True)
        return IncomingFile.model_validate_json(content)
    except ValidationError as error:
        findings = [{**finding, "loc": ("header", *finding["loc"])} for finding in error.errors()]
        raise validation_failed(findings) from None
    except ValueError:
        reason = "must be base64url of a JSON object"
        raise ValidationFailed("The file's metadata cannot be read.", details={METADATA_HEADER: reason}) from None

"""What goes over the wire beside File and ElementInfo of artstore_core."""

from __future__ import annotations

import base64
import json
from typing import Annotated, Any, Final
from uuid import UUID

from artstore_core.errors import ValidationFailed
from artstore_core.files import Checksum, File, Moment
from artstore_kit.errors import validation_failed
from pydantic import AfterValidator, BaseModel, ConfigDict, Field, ValidationError

from storage_element.store.records import IncomingFile

METADATA_HEADER: Final = "Artstore-Metadata"
_MAX_METADATA_HEADER: Final = 256 * 1024

Size = Annotated[int, Field(ge=0, le=2**62)]


MAX_CONTEXT_BYTES: Final = 96 * 1024


def _small(context: dict[str, Any]) -> dict[str, Any]:
    # It goes through the log with each change of the upload.
    if len(json.dumps(context, ensure_ascii=False).encode("utf-8", "replace")) > MAX_CONTEXT_BYTES:
        raise ValueError(f"must be at most {MAX_CONTEXT_BYTES} bytes of JSON")
    return context


Context = Annotated[dict[str, Any], AfterValidator(_small)]


class Reservation(BaseModel):
    """`size` in bytes: the most that the upload may grow to; room for it is kept. null where nobody knows. `part_of` is
    the upload, begun or not, that this one is to be joined into: none of its parts is removed for having received nothing
    while another one receives something. `context` is kept as it is and told again with the upload's state.

    Once more, for an upload that was begun without a size, it may bring one.

    With a `part_size` its bytes come as parts of that size, the last one shorter, in any order: `PUT …/parts/{number}`."""

    model_config = ConfigDict(extra="forbid")

    size: Size | None = None
    part_of: UUID | None = None
    context: Context | None = None
    part_size: Annotated[int, Field(ge=1, le=2**62)] | None = None


class UploadState(BaseModel):
    upload_id: UUID
    offset: int
    size: int | None


class UploadFound(UploadState):
    """All that is known of an upload, or of the file that it became, in whatever state that is. `offset` is measured, and
    will move where it is `busy`. `expires_at` is when it may be removed, at the earliest, if nothing more comes, which is
    `lasts_seconds` after the last byte."""

    busy: bool = False
    context: Context | None = None
    expires_at: Moment | None = None
    lasts_seconds: float | None = None
    file: File | None = None
    part_size: int | None = None


class PartReceived(BaseModel):
    """`etag` as in the header: the part's SHA-256 in hex, in quotes."""

    part_number: int
    size: int
    etag: str


class PartThere(BaseModel):
    number: int
    size: int
    sha256: Checksum


class PartsThere(BaseModel):
    """Those that are there, by number."""

    parts: list[PartThere]


MAX_PARTS: Final = 10_000


class Joining(BaseModel):
    """Uploads by their ids, in the order in which their bytes shall stand."""

    model_config = ConfigDict(extra="forbid")

    parts: Annotated[list[UUID], Field(min_length=1, max_length=MAX_PARTS)]


class Sealing(BaseModel):
    """The SHA-256 of each part, in their order, and of the whole where it is known."""

    model_config = ConfigDict(extra="forbid")

    parts: Annotated[list[Checksum], Field(max_length=MAX_PARTS)]
    sha256: Checksum | None = None


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

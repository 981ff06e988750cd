"""What goes over the wire of signed parts."""

from __future__ import annotations

import json
from typing import Annotated, Any, Final, Literal
from uuid import UUID

from artstore_core.errors import ValidationFailed
from artstore_core.files import Checksum, Description, Filename, Metadata, Moment, Tags
from artstore_core.retention import RetentionPolicy
from pydantic import BaseModel, ConfigDict, Field, StringConstraints

from ingester_service.http.fields import Fields
from ingester_service.parts.service import Completion
from ingester_service.parts.sizes import MAX_PARTS
from ingester_service.resumable.metadata import MAX_BYTES, shown
from ingester_service.upload.incoming import Retention

MAX_URLS: Final = 1000
"""Of one answer."""

PartNumber = Annotated[int, Field(ge=1, le=MAX_PARTS)]
Etag = Annotated[str, StringConstraints(pattern=r'^("[0-9a-fA-F]{64}"|[0-9a-fA-F]{64})$')]


class PartsUpload(BaseModel):
    """`size` in bytes. `content_type` means nothing here: the bytes decide."""

    model_config = ConfigDict(extra="forbid")

    filename: Filename
    size: Annotated[int, Field(ge=0, le=2**62)]
    retention_policy: Literal["temporary", "permanent"] = "permanent"
    ttl_days: Annotated[int, Field(ge=-(2**31), le=2**31)] | None = None
    description: Description | None = None
    tags: Tags = []
    metadata: Metadata = {}
    content_type: Annotated[str, StringConstraints(max_length=255)] | None = None

    def retention(self) -> Retention:
        """Raises ValidationFailed."""
        said = Fields(retention_policy=RetentionPolicy(self.retention_policy), ttl_days=self.ttl_days)
        return said.retention(Fields())

    def header(self) -> str:
        """As tus has it, which is how it is kept with every upload. Raises ValidationFailed."""
        said = {"filename": self.filename}
        if self.description is not None:
            said["description"] = self.description
        if self.tags:
            said["tags"] = json.dumps(self.tags)
        if self.metadata:
            said["metadata"] = json.dumps(self.metadata, ensure_ascii=False)
        header = shown(said)
        if len(header) > MAX_BYTES:
            reason = f"must be at most {MAX_BYTES} bytes together with description and tags, in base64"
            raise ValidationFailed("The upload's metadata is too long", details={"metadata": reason})
        return header


class PartsBegun(BaseModel):
    """Each part has `part_size` bytes, the last one what is left. `expires_at`: when the upload is removed, at the
    earliest, if no part comes; null once it is complete."""

    upload_id: UUID
    part_size: int
    expires_at: Moment | None


class PartsWanted(BaseModel):
    """`sha256`, by part number: the url then takes no other bytes."""

    model_config = ConfigDict(extra="forbid")

    part_numbers: Annotated[list[PartNumber], Field(min_length=1, max_length=MAX_URLS)]
    sha256: dict[PartNumber, Checksum] = {}

    def by_number(self) -> dict[int, str | None]:
        """Raises ValidationFailed."""
        if unknown := self.sha256.keys() - set(self.part_numbers):
            reason = f"names part {min(unknown)}, which is not asked for"
            raise ValidationFailed("The request is not valid", details={"sha256": reason})
        return {number: self.sha256.get(number) for number in self.part_numbers}


class PartUrl(BaseModel):
    """Takes one PUT of the part, or several, until it expires. The answer's ETag is for the completion."""

    part_number: int
    url: str
    expires_at: Moment


class PartUrls(BaseModel):
    parts: list[PartUrl]


class PartSent(BaseModel):
    model_config = ConfigDict(extra="forbid")

    part_number: PartNumber
    etag: Etag


class PartsComplete(BaseModel):
    """All parts, each once; `sha256` of the whole, where it is known."""

    model_config = ConfigDict(extra="forbid")

    parts: Annotated[list[PartSent], Field(max_length=MAX_PARTS)]
    sha256: Checksum | None = None

    def completion(self) -> Completion:
        """Raises ValidationFailed."""
        sha256s = {part.part_number: part.etag.strip('"').lower() for part in self.parts}
        if len(sha256s) != len(self.parts):
            raise ValidationFailed("The request is not valid", details={"parts": "must name each part once"})
        return Completion(sha256s, self.sha256)


BEGIN_SCHEMA: Final[dict[str, Any]] = PartsUpload.model_json_schema()

"""What a storage element says of itself (`GET /api/v1/info`, requirement S9)."""

from __future__ import annotations

from enum import StrEnum
from typing import Annotated
from uuid import UUID

from pydantic import BaseModel, ConfigDict, Field, StringConstraints

from artstore_core.modes import Mode, Operation

StorageId = Annotated[str, StringConstraints(pattern=r"^[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?$")]
"""A DNS label (RFC 1123 §2.1): it stands in audiences, paths and host names."""
ByteCount = Annotated[int, Field(ge=0, lt=2**63)]


class ElementStatus(StrEnum):
    ONLINE = "online"
    OFFLINE = "offline"


class ElementInfo(BaseModel):
    """Bytes throughout. `capacity_bytes` is what the element may fill, `available_bytes` what is left of it now.

    `sequence` is the number of the last change; such numbers mean something within one `epoch` (requirement S8).
    """

    model_config = ConfigDict(extra="ignore", frozen=True)

    storage_id: StorageId
    mode: Mode
    status: ElementStatus = ElementStatus.ONLINE
    version: Annotated[str, StringConstraints(max_length=64, pattern=r"^[!-~]+$")]
    capacity_bytes: ByteCount
    used_bytes: ByteCount
    available_bytes: ByteCount
    allowed_operations: list[Operation]
    epoch: UUID | None = None
    sequence: Annotated[int, Field(ge=0, lt=2**63)] | None = None

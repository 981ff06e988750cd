"""What a storage element says of itself (`GET /api/v1/info`, requirement S9)."""

from __future__ import annotations

from enum import StrEnum

from pydantic import BaseModel, ConfigDict

from artstore_core.modes import Mode, Operation


class ElementStatus(StrEnum):
    ONLINE = "online"
    OFFLINE = "offline"


class ElementInfo(BaseModel):
    """Bytes throughout. `capacity_bytes` is what the element may fill, `available_bytes` what is left of it now."""

    model_config = ConfigDict(extra="ignore", frozen=True)

    storage_id: str
    mode: Mode
    status: ElementStatus = ElementStatus.ONLINE
    version: str
    capacity_bytes: int
    used_bytes: int
    available_bytes: int
    allowed_operations: list[Operation]

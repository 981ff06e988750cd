"""What an upload was begun with: kept by its element beside the staging, for whichever replica goes on with it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Any, Final
from uuid import UUID

from artstore_core.files import File
from artstore_core.retention import RetentionPolicy

from ingester_service.resumable.whereabouts import KnownElement
from ingester_service.upload.incoming import Retention

_VERSION: Final = 1


class Kind(StrEnum):
    """`partial` uploads are the pieces of a `final` one (tus 1.0.0, "Concatenation"); `parts` come in any order, past
    this service (`parts`)."""

    WHOLE = "whole"
    PARTIAL = "partial"
    FINAL = "final"
    PARTS = "parts"


@dataclass(frozen=True, slots=True)
class Begun:
    """`owner` is the principal that began it and may go on with it; `metadata` the header as it came."""

    owner: str
    kind: Kind
    retention: Retention
    metadata: str

    def context(self) -> dict[str, Any]:
        """As the element keeps it."""
        return {
            "version": _VERSION,
            "owner": self.owner,
            "kind": self.kind.value,
            "retention_policy": self.retention.policy.value,
            "ttl_days": self.retention.ttl_days,
            "metadata": self.metadata,
        }

    @classmethod
    def of(cls, context: Mapping[str, Any] | None) -> Begun | None:
        """None for an upload that was begun otherwise: it is nobody's here."""
        if context is None or context.get("version") != _VERSION or "kind" not in context:
            return None
        retention = Retention(RetentionPolicy(context["retention_policy"]), context["ttl_days"])
        return cls(context["owner"], Kind(context["kind"]), retention, context["metadata"])


@dataclass(frozen=True, slots=True)
class Standing:
    """Where an upload stands. `begun` is None once it is a `file`. `size` is None while nobody knows it; `offset` will
    move where it is `busy`; `lasts_seconds` after its last byte, at `expires_at`, it may be removed. Of an upload in parts,
    which have `part_size`, `offset` is the bytes of those that are there."""

    upload_id: UUID
    element: KnownElement
    offset: int
    size: int | None
    begun: Begun | None = None
    busy: bool = False
    expires_at: datetime | None = None
    lasts_seconds: float = 0.0
    file: File | None = None
    part_size: int | None = None

    @property
    def is_whole(self) -> bool:
        """All its bytes are there."""
        return self.size is not None and self.offset == self.size

"""One thing that was made of a file."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any
from uuid import UUID

from render_service.decoders.contract import RenditionKind


@dataclass(frozen=True, slots=True)
class NewRendition:
    """`name` is unique for its file and stands in urls; `size` in bytes, `checksum` SHA-256 in hex."""

    name: str
    kind: RenditionKind
    page: int | None
    width: int
    height: int
    media_type: str
    size: int
    checksum: str
    details: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Rendition(NewRendition):
    """`prefix` and `name` together are its key in the store."""

    id: UUID = field(kw_only=True)
    prefix: str = field(kw_only=True)
    made_at: datetime = field(kw_only=True)

    @property
    def key(self) -> str:
        return f"{self.prefix}{self.name}"


@dataclass(frozen=True, slots=True)
class Kept:
    """A rendition as it is served. `job_id` and `generation` tell which making it is of, should it turn out to be lost."""

    file_id: UUID
    job_id: UUID
    generation: int
    rendition: Rendition

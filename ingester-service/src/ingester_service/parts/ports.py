"""What signed parts need of the elements."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol
from uuid import UUID

from ingester_service.resumable.whereabouts import KnownElement


@dataclass(frozen=True, slots=True)
class PartThere:
    """A part that is safe on the element; its entity tag is its SHA-256, in hex."""

    number: int
    size: int
    sha256: str


class PartStaging(Protocol):
    """Uploads in parts. Both raise what Staging raises."""

    async def parts(self, element: KnownElement, upload_id: UUID) -> Sequence[PartThere]:
        """Those that are there, by number."""
        ...

    async def seal(self, element: KnownElement, upload_id: UUID, sha256s: Sequence[str], sha256: str | None) -> None:
        """From now on no part changes any more: all are there, and have these digests, in their order, and so has the
        whole, where it is given. Again is harmless. Raises Conflict, ChecksumMismatch and ValidationFailed: the upload
        then stays as it is; and Locked while parts are on their way."""
        ...

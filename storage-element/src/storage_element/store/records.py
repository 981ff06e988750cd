"""From what the ingester says of a file to the record that is kept beside it."""

from __future__ import annotations

from datetime import datetime
from uuid import UUID

from artstore_core.files import Attributes, Moment, NewFile
from artstore_core.retention import expiry, settle_ttl


class IncomingFile(NewFile):
    """`uploaded_at` is for copies, which keep the time of their original; else it is the time of arrival."""

    uploaded_at: Moment | None = None


def record_of(file_id: UUID, incoming: IncomingFile, *, size: int, checksum: str, now: datetime) -> Attributes:
    """Raises ValidationFailed for days that do not go with the retention policy."""
    uploaded_at = incoming.uploaded_at or now
    ttl_days = settle_ttl(incoming.retention_policy, incoming.ttl_days)
    return Attributes(
        file_id=file_id,
        original_filename=incoming.original_filename,
        content_type=incoming.content_type,
        size=size,
        checksum=checksum,
        uploaded_by=incoming.uploaded_by,
        uploaded_at=uploaded_at,
        description=incoming.description,
        tags=incoming.tags,
        metadata=incoming.metadata,
        retention_policy=incoming.retention_policy,
        ttl_days=ttl_days,
        expires_at=expiry(uploaded_at, ttl_days),
    )

"""From what callers say to the records that are kept: a new file's, a changed one's, the mode's."""

from __future__ import annotations

import json
from datetime import datetime
from typing import Final
from uuid import UUID

from artstore_core.errors import StorageUnavailable, ValidationFailed
from artstore_core.files import Attributes, Description, FileStatus, Metadata, Moment, NewFile, Tags
from artstore_core.modes import Mode
from artstore_core.retention import expiry, settle_ttl
from pydantic import BaseModel, ConfigDict

_MODE_SCHEMA_VERSION: Final = 1


class IncomingFile(NewFile):
    """`uploaded_at` is for copies, which keep the time of their original; else it is the time of arrival."""

    uploaded_at: Moment | None = None


def record_of(file_id: UUID, incoming: IncomingFile, *, size: int, checksum: str, now: datetime) -> Attributes:
    """Raises ValidationFailed for days that do not go with the retention policy, or with the time of the upload."""
    uploaded_at = incoming.uploaded_at or now
    ttl_days = settle_ttl(incoming.retention_policy, incoming.ttl_days)
    try:
        expires_at = expiry(uploaded_at, ttl_days)
    except OverflowError:
        raise ValidationFailed("The request is not valid", details={"uploaded_at": "is out of range"}) from None
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
        expires_at=expires_at,
    )


class Update(BaseModel):
    """What may change of a file. A field that is given replaces the old value whole; null clears it."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    description: Description | None = None
    tags: Tags | None = None
    metadata: Metadata | None = None


def updated(there: Attributes, update: Update) -> Attributes:
    """The record with its next revision."""
    given = {name: getattr(update, name) for name in update.model_fields_set}
    cleared: dict[str, object] = {"description": None, "tags": [], "metadata": {}}
    changes = {name: cleared[name] if value is None else value for name, value in given.items()}
    return there.model_copy(update=changes | {"revision": there.revision + 1})


def deleted(there: Attributes, by: str, now: datetime) -> Attributes:
    """The record of a file that is gone for its readers, and whose bytes wait for the garbage collection."""
    changes = {"status": FileStatus.DELETED, "deleted_at": now, "deleted_by": by, "revision": there.revision + 1}
    return there.model_copy(update=changes)


def healed(there: Attributes) -> Attributes:
    """The record of a damaged file whose bytes are right again."""
    return there.model_copy(update={"status": FileStatus.ACTIVE, "damage": None, "revision": there.revision + 1})


def damaged(there: Attributes, why: str) -> Attributes:
    return there.model_copy(update={"status": FileStatus.DAMAGED, "damage": why, "revision": there.revision + 1})


def mode_record(mode: Mode, by: str | None, now: datetime) -> bytes:
    """The content of mode.json."""
    fields = {
        "schema_version": _MODE_SCHEMA_VERSION,
        "mode": mode.value,
        "changed_at": now.isoformat(),
        "changed_by": by,
    }
    return (json.dumps(fields, indent=2) + "\n").encode()


def mode_of(record: bytes) -> Mode:
    """Raises StorageUnavailable when it cannot be read: a guess could allow what is forbidden."""
    try:
        return Mode(json.loads(record)["mode"])
    except (ValueError, KeyError, TypeError) as error:
        raise StorageUnavailable("The storage element's mode cannot be read.") from error

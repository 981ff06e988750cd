"""Ids: UUID version 7 (RFC 9562 §5.7), which sort by the time they were made."""

from __future__ import annotations

import uuid

from uuid_utils import compat


def new_id() -> uuid.UUID:
    return compat.uuid7()

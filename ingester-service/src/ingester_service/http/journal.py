"""Entries of the audit log about files."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any
from uuid import UUID

from artstore_audit import Entry, Outcome
from artstore_core.files import File
from artstore_kit.context import current_request_id
from fastapi import Request


def file_entry(action: str, actor: str, file_id: UUID, request: Request, details: Mapping[str, Any]) -> Entry:
    """Something that was done to a file."""
    return Entry(
        actor=actor,
        action=action,
        outcome=Outcome.DONE,
        target=str(file_id),
        address=request.client.host if request.client else None,
        request_id=current_request_id(),
        details=details,
    )


def uploaded_entry(file: File, request: Request) -> Entry:
    facts = {
        "filename": file.original_filename,
        "size": file.size,
        "retention_policy": file.retention_policy.value,
    }
    return file_entry("file.uploaded", file.uploaded_by, file.file_id, request, facts)

"""What a change changed, for its entry in the audit log."""

from __future__ import annotations

from dataclasses import fields
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from _typeshed import DataclassInstance

_QUIET = frozenset({"updated_at", "tokens_not_before"})
"""Every change leaves these marks."""


def differences(before: DataclassInstance, after: DataclassInstance) -> dict[str, Any]:
    """Field → its new value, fit for JSON. Hashes are left out."""
    names = [field.name for field in fields(before) if field.name not in _QUIET and not field.name.endswith("_hash")]
    values = {name: getattr(after, name) for name in names if getattr(before, name) != getattr(after, name)}
    return {name: sorted(value) if isinstance(value, frozenset) else value for name, value in values.items()}

"""How long a file is kept: the policy chosen at upload, which never changes later (requirement G2)."""

from __future__ import annotations

from datetime import datetime, timedelta
from enum import StrEnum

from artstore_core.errors import ValidationFailed
from artstore_core.modes import Mode

DEFAULT_TTL_DAYS = 30
MIN_TTL_DAYS, MAX_TTL_DAYS = 1, 365


class RetentionPolicy(StrEnum):
    TEMPORARY = "temporary"
    PERMANENT = "permanent"


ELEMENT_MODE: dict[RetentionPolicy, Mode] = {
    RetentionPolicy.TEMPORARY: Mode.EDIT,
    RetentionPolicy.PERMANENT: Mode.RW,
}
"""Which elements a policy writes to: what expires must be deletable, what stays must not be."""


def settle_ttl(policy: RetentionPolicy, ttl_days: int | None) -> int | None:
    """The days a file lives: the default for temporary files, None for permanent ones.

    Raises ValidationFailed for days outside 1–365, and for any days given with a permanent policy.
    """
    if policy is RetentionPolicy.PERMANENT:
        if ttl_days is not None:
            raise ValidationFailed(
                "ttl_days is for temporary files only",
                details={"ttl_days": "needs retention_policy=temporary"},
            )
        return None
    days = DEFAULT_TTL_DAYS if ttl_days is None else ttl_days
    if not MIN_TTL_DAYS <= days <= MAX_TTL_DAYS:
        raise ValidationFailed(
            "ttl_days is out of range", details={"ttl_days": f"must be from {MIN_TTL_DAYS} to {MAX_TTL_DAYS}"}
        )
    return days


def expiry(uploaded_at: datetime, ttl_days: int | None) -> datetime | None:
    """The instant from which a file is gone for readers; None for a permanent one."""
    return None if ttl_days is None else uploaded_at + timedelta(days=ttl_days)

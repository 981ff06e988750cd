"""Reserving room in an account's quota, so that uploads side by side cannot go beyond it together."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Protocol
from uuid import UUID

from artstore_core.errors import QuotaExceeded

from admin_service.identity.clock import Clock

LIFETIME = timedelta(hours=1)
"""What is neither settled, given back nor renewed by then was left behind by a service that died."""


@dataclass(frozen=True, slots=True)
class Quota:
    """None: no bound."""

    bytes: int | None
    files: int | None

    @property
    def is_bound(self) -> bool:
        return self.bytes is not None or self.files is not None


@dataclass(frozen=True, slots=True)
class Held:
    """What counts against a quota: the registered files, and what is reserved for others on their way."""

    bytes: int
    files: int


class QuotaRows(Protocol):
    """Quotas and reservations, within one transaction."""

    async def quota(self, principal: str) -> Quota:
        """Of `sa:<client_id>` or `user:<username>`. An account that there is not has no bound: its tokens end it."""
        ...

    async def is_registered(self, file_id: UUID) -> bool: ...

    async def lock(self, principal: str) -> None:
        """Until the end of the transaction nobody else decides for this principal."""
        ...

    async def held(self, principal: str, besides: UUID, now: datetime) -> Held:
        """All of one moment, so that a file just settled counts once: neither twice nor not at all."""
        ...

    async def reserve(self, file_id: UUID, principal: str, size: int, expires_at: datetime) -> bool:
        """Again is a renewal. False when the file is reserved for another principal."""
        ...

    async def release(self, file_id: UUID) -> None: ...


async def reserve(rows: QuotaRows, file_id: UUID, principal: str, size: int, clock: Clock) -> datetime | None:
    """When the reservation of `size` bytes and one file ends; None when nothing needs to be reserved.

    Raises QuotaExceeded. A file that is registered already counts as what it is, and takes no reservation.
    """
    quota = await rows.quota(principal)
    if not quota.is_bound:
        return None
    await rows.lock(principal)
    if not await rows.is_registered(file_id):
        now = clock()
        held = await rows.held(principal, file_id, now)
        _check("files", quota.files, held.files, 1)
        _check("bytes", quota.bytes, held.bytes, size)
        expires_at = now + LIFETIME
        if not await rows.reserve(file_id, principal, size, expires_at):
            raise QuotaExceeded("This upload is another account's")
        return expires_at
    return clock() + LIFETIME


def _check(which: str, limit: int | None, held: int, wanted: int) -> None:
    if limit is not None and held + wanted > limit:
        raise QuotaExceeded(
            f"The account's quota of {which} would be exceeded",
            details={"which": which, "limit": str(limit), "used": str(held), "wanted": str(wanted)},
        )

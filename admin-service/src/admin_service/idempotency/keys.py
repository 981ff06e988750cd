"""Keys by which a request that is sent again is known (requirement G7; draft-ietf-httpapi-idempotency-key-header-07).

A key is somebody's who is at work under it for as long as the lease lasts, and the lease is renewed while the work goes
on. One whose holder died is taken over with the same file id, so that what the dead one may have stored is found and not
made twice. Only the hash of a key is kept.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Protocol
from uuid import UUID

from artstore_core.errors import Conflict

LEASE = timedelta(seconds=60)
SETTLING = timedelta(seconds=5)
"""How long nobody takes over what failed with an unknown outcome: an element may be about to finish it."""


@dataclass(frozen=True, slots=True)
class Attempt:
    """Who asks for which key. `file_id` is for a key that is new."""

    principal: str
    key_hash: bytes
    holder: UUID
    file_id: UUID


@dataclass(frozen=True, slots=True)
class Yours:
    """The key is the asker's until `lease_until`. `again`: somebody was at work under it before, and what came of that is
    not known."""

    file_id: UUID
    again: bool
    lease_until: datetime


@dataclass(frozen=True, slots=True)
class Done:
    """`fingerprint` tells one request from another; `answer` is what was answered, where that is worth keeping."""

    file_id: UUID
    fingerprint: bytes
    answer: Mapping[str, Any] | None


@dataclass(frozen=True, slots=True)
class Taken:
    """Somebody else is at work under it; None when that ended just now."""

    lease_until: datetime | None


class IdempotencyRows(Protocol):
    """Keys, within one transaction. Those whose time is over count as not there."""

    async def begin(
        self, attempt: Attempt, now: datetime, lease_until: datetime, expires_at: datetime
    ) -> Yours | Done | Taken:
        """Makes the key the asker's where it is new, the asker's already, or its lease is over: one of them alone."""
        ...

    async def finish(self, attempt: Attempt, fingerprint: bytes, answer: Mapping[str, Any] | None) -> bool:
        """Only for the holder of a key in flight. `attempt.file_id` is what came of it."""
        ...

    async def give_up(self, attempt: Attempt, until: datetime, *, unknown: bool) -> None:
        """Frees the key of its holder. Where something may have been stored (`unknown`, now or at a try before) it keeps
        its file id, and nobody takes it over before `until`."""
        ...


async def begin(rows: IdempotencyRows, attempt: Attempt, now: datetime, kept: timedelta) -> Yours | Done:
    """Again by the same holder renews the lease. Raises Conflict, with Retry-After, while another is at work."""
    found = await rows.begin(attempt, now, now + LEASE, now + kept)
    if isinstance(found, Taken):
        left = 1 if found.lease_until is None else max(1, int((found.lease_until - now).total_seconds()) + 1)
        # A lease is renewed while the work goes on, so its end says nothing of when that will be over.
        soon = str(min(left, int(SETTLING.total_seconds())))
        raise Conflict("A request with this Idempotency-Key is being dealt with", headers={"Retry-After": soon})
    return found


async def finish(rows: IdempotencyRows, attempt: Attempt, fingerprint: bytes, answer: Mapping[str, Any] | None) -> None:
    """Raises Conflict when the key is not the asker's any more."""
    if not await rows.finish(attempt, fingerprint, answer):
        raise Conflict("This Idempotency-Key is held by another request")

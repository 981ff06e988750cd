"""The audit log: what an entry is, and how a use case leaves one in its own transaction."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Protocol
from uuid import UUID

from artstore_audit import Outcome
from artstore_core.ids import new_id

from admin_service.identity.clock import Clock

SERVICE = "admin-service"


@dataclass(frozen=True, slots=True)
class Actor:
    """Who asks (`sa:…`, `user:…`, `anonymous`), from which address, in which request."""

    subject: str
    address: str | None = None
    request_id: str | None = None


SYSTEM = Actor("system")
"""What admin does by itself: schedules, the first start."""


@dataclass(frozen=True, slots=True)
class Entry:
    """`action` is `<noun>.<what happened>`; `target` names the one thing it happened to. `details` hold no secrets.

    `service` is admin's own name, or the client id of the service that reported it. `entry_id` is the reporter's: an entry
    that is reported again is kept once.
    """

    happened_at: datetime
    service: str
    actor: str
    action: str
    outcome: Outcome
    target: str | None = None
    address: str | None = None
    request_id: str | None = None
    details: Mapping[str, Any] = field(default_factory=dict)
    entry_id: UUID = field(default_factory=new_id)


class AuditRows(Protocol):
    """The log, within one transaction."""

    async def add(self, entries: Sequence[Entry]) -> None:
        """Keeps those that are not there yet."""
        ...


class Journal:
    """Leaves entries of admin's own doings. In the transaction of the change: both are kept, or neither."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock

    async def done(self, rows: AuditRows, by: Actor, action: str, target: str | None = None, **details: Any) -> None:
        await rows.add([self.entry(by, action, Outcome.DONE, target, details)])

    def entry(self, by: Actor, action: str, outcome: Outcome, target: str | None, details: Mapping[str, Any]) -> Entry:
        return Entry(
            happened_at=self._clock(),
            service=SERVICE,
            actor=by.subject,
            action=action,
            outcome=outcome,
            target=target,
            address=by.address,
            request_id=by.request_id,
            details=details,
        )

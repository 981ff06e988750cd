"""Entries from elsewhere: what other services report, and the attempts that admin itself refused."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import AbstractAsyncContextManager
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Protocol

from artstore_audit import Entry as Reported
from artstore_audit import NotNow, Outcome
from artstore_core.errors import AdminUnavailable

from admin_service.audit.log import SERVICE, AuditRows, Entry

AHEAD = timedelta(minutes=5)
"""How far another service's clock may be ahead of ours."""


class _Rows(Protocol):
    @property
    def audit(self) -> AuditRows: ...


Transactions = Callable[[], AbstractAsyncContextManager[_Rows]]


def received(entries: Sequence[Entry], service: str, now: datetime) -> list[Entry]:
    """As they are kept: under the name of who reports them, and not in the future.

    An entry of a service whose clock is wrong is still worth more than none, so it is kept under the time when it came.
    """
    return [_received(entry, service, now) for entry in entries]


def _received(entry: Entry, service: str, now: datetime) -> Entry:
    if entry.happened_at <= now + AHEAD:
        return replace(entry, service=service)
    details = {**entry.details, "told_time": entry.happened_at.isoformat()}
    return replace(entry, service=service, happened_at=now, details=details)


class OwnRefusals:
    """A Deliver for what admin refuses itself: straight into the log."""

    def __init__(self, transactions: Transactions) -> None:
        self._transactions = transactions

    async def __call__(self, entries: Sequence[Reported]) -> None:
        try:
            async with self._transactions() as rows:
                await rows.audit.add([_own(entry) for entry in entries])
        except AdminUnavailable as error:
            raise NotNow("the database is away") from error


def _own(entry: Reported) -> Entry:
    return Entry(
        happened_at=entry.happened_at,
        service=SERVICE,
        actor=entry.actor,
        action=entry.action,
        outcome=Outcome(entry.outcome.value),
        target=entry.target,
        address=entry.address,
        request_id=entry.request_id,
        details=entry.details,
        entry_id=entry.entry_id,
    )

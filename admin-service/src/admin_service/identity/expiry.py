"""Warnings of secrets that will expire, or have (requirement I3)."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from contextlib import AbstractAsyncContextManager
from datetime import timedelta
from typing import Protocol

from artstore_core.errors import AdminUnavailable
from artstore_kit.logs import get_logger
from prometheus_client import CollectorRegistry, Gauge

from admin_service.identity.accounts import AccountRows
from admin_service.identity.clock import Clock

WARN_BEFORE = timedelta(days=14)

_log = get_logger(__name__)


class Rows(Protocol):
    @property
    def accounts(self) -> AccountRows: ...


class SecretExpiry:
    """Two gauges, one for all accounts together, so that their number never multiplies the metrics."""

    def __init__(
        self,
        transactions: Callable[[], AbstractAsyncContextManager[Rows]],
        clock: Clock,
        registry: CollectorRegistry,
    ) -> None:
        self._transactions, self._clock = transactions, clock
        self._soon = Gauge(
            "artstore_service_accounts_secrets_expiring",
            f"Active service accounts whose secret expires within {WARN_BEFORE.days} days",
            registry=registry,
        )
        self._over = Gauge(
            "artstore_service_accounts_secrets_expired",
            "Active service accounts whose secret has expired",
            registry=registry,
        )

    async def run(self, seconds: float) -> None:
        """Sets the gauges every so many seconds until it is cancelled. They stay as they are without the database."""
        while True:
            try:
                await self.refresh()
            except AdminUnavailable:
                pass
            except Exception:  # noqa: BLE001  whatever went wrong, the next round may go well
                _log.exception("expiring secrets cannot be counted")
            await asyncio.sleep(seconds)

    async def refresh(self) -> None:
        now = self._clock()
        async with self._transactions() as rows:
            soon, over = await rows.accounts.count_expiring(now, now + WARN_BEFORE)
        self._soon.set(soon)
        self._over.set(over)

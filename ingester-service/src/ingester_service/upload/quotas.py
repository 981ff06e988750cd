"""Room in the uploader's quota: reserved before any byte is stored, given back when nothing was (requirement I12)."""

from __future__ import annotations

import asyncio
import time
from collections import OrderedDict
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from uuid import UUID

from artstore_core.errors import ArtStoreError
from artstore_kit.logs import get_logger

from ingester_service.upload.ports import QuotaKeeper

_log = get_logger(__name__)


@dataclass(frozen=True, slots=True)
class QuotaPace:
    """Seconds, but for `remembered`."""

    unlimited: float = 30.0
    """How long it is believed that an account has no quota."""
    remembered: int = 1000
    """Accounts of which that is remembered, the last asked."""
    renewal: float = 1200.0
    """Well within admin's hour, for an upload that takes longer."""


class Hold:
    """What one upload has reserved. A bound that is not known at the beginning is told when it is."""

    def __init__(self, quotas: Quotas, file_id: UUID, principal: str) -> None:
        self._quotas, self._file_id, self._principal = quotas, file_id, principal
        self.size: int | None = None

    async def at_most(self, size: int) -> None:
        """Reserves room for a file of so many bytes, unless a bound is known. Raises QuotaExceeded, AdminUnavailable."""
        if self.size is None and await self._quotas.reserve(self._file_id, self._principal, size):
            self.size = size


class Quotas:
    """Asks admin, and remembers for a moment who has no quota."""

    def __init__(
        self, keeper: QuotaKeeper, pace: QuotaPace | None = None, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._keeper, self._pace, self._clock = keeper, pace or QuotaPace(), clock
        self._unlimited: OrderedDict[str, float] = OrderedDict()

    @asynccontextmanager
    async def hold(self, file_id: UUID, principal: str, size: int | None) -> AsyncIterator[Hold]:
        """Keeps room until the block ends. With an error it is given back; else the registration settles it.

        `size` is an upper bound in bytes, None where there is none yet. Raises QuotaExceeded, AdminUnavailable.
        """
        hold = Hold(self, file_id, principal)
        if size is not None:
            await hold.at_most(size)
        renewing = asyncio.create_task(self._renew(hold, file_id, principal))
        try:
            yield hold
        except BaseException:
            if hold.size is not None:
                # Shielded: a client that goes away cancels this very request.
                await asyncio.shield(self._keeper.release(file_id))
            raise
        finally:
            renewing.cancel()

    async def reserve(self, file_id: UUID, principal: str, size: int) -> bool:
        """False where there is nothing to reserve."""
        if self._unlimited.get(principal, 0.0) > self._clock():
            self._unlimited.move_to_end(principal)
            return False
        if await self._keeper.reserve(file_id, principal, size):
            self._unlimited.pop(principal, None)
            return True
        self._unlimited[principal] = self._clock() + self._pace.unlimited
        self._unlimited.move_to_end(principal)
        while len(self._unlimited) > self._pace.remembered:
            self._unlimited.popitem(last=False)
        return False

    async def _renew(self, hold: Hold, file_id: UUID, principal: str) -> None:
        while True:
            await asyncio.sleep(self._pace.renewal)
            if hold.size is not None:
                with suppress(ArtStoreError):
                    # A refusal now, by a quota that was lowered, is for the next upload; this one was let in.
                    await self._keeper.reserve(file_id, principal, hold.size)
                    _log.info("quota reservation renewed", file_id=str(file_id))

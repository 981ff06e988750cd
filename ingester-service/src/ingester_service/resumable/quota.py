"""The uploader's quota (requirement I12), for uploads that last longer than what admin sets aside for one."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from uuid import UUID

from artstore_core.errors import AdminUnavailable, ArtStoreError

from ingester_service.upload.ports import QuotaKeeper
from ingester_service.upload.quotas import Quotas


class ReservedQuota:
    """A Quota. `renewal`: seconds, well within admin's hour."""

    def __init__(self, quotas: Quotas, keeper: QuotaKeeper, renewal: float) -> None:
        self._quotas, self._keeper, self._renewal = quotas, keeper, renewal

    async def reserve(self, principal: str, file_id: UUID, size: int) -> None:
        await self._quotas.reserve(file_id, principal, size)

    async def give_back(self, file_id: UUID) -> None:
        await self._keeper.release(file_id)

    @asynccontextmanager
    async def kept(self, principal: str, file_id: UUID, size: int) -> AsyncIterator[None]:
        with suppress(AdminUnavailable):
            # Set aside when it was begun, and perhaps over since. Without admin it goes on: it was let in once.
            await self.reserve(principal, file_id, size)
        renewing = asyncio.create_task(self._renew(principal, file_id, size))
        try:
            yield
        finally:
            renewing.cancel()

    async def _renew(self, principal: str, file_id: UUID, size: int) -> None:
        while True:
            await asyncio.sleep(self._renewal)
            with suppress(ArtStoreError):  # a quota that was lowered meanwhile is for the next upload
                await self.reserve(principal, file_id, size)

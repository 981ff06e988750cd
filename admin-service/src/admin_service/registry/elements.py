"""The list of storage elements and what is known of each right now (requirements R1, R6)."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Protocol
from uuid import UUID

from artstore_core.elements import ElementInfo, ElementStatus
from artstore_core.errors import ArtStoreError, NotFound
from artstore_core.modes import Mode
from artstore_kit.logs import get_logger

from admin_service.identity.clock import Clock

_log = get_logger(__name__)


@dataclass(frozen=True, slots=True)
class StorageElement:
    """`mode`, the byte counts, `epoch` and `sequence` are what the element said last; None before it was ever reached.

    `synced_*`: up to which change of its feed the registry has followed it, and when that was.
    """

    storage_id: str
    url: str
    status: ElementStatus
    mode: Mode | None
    version: str | None
    capacity_bytes: int | None
    used_bytes: int | None
    available_bytes: int | None
    last_error: str | None
    last_seen_at: datetime | None
    checked_at: datetime | None
    created_at: datetime
    updated_at: datetime
    description: str | None = None
    epoch: UUID | None = None
    sequence: int | None = None
    synced_epoch: UUID | None = None
    synced_sequence: int | None = None
    synced_at: datetime | None = None


def new_element(storage_id: str, url: str, now: datetime) -> StorageElement:
    """As it is before anybody asked it anything."""
    return StorageElement(
        storage_id=storage_id,
        url=url,
        status=ElementStatus.OFFLINE,
        mode=None,
        version=None,
        capacity_bytes=None,
        used_bytes=None,
        available_bytes=None,
        last_error="not reached yet",
        last_seen_at=None,
        checked_at=None,
        created_at=now,
        updated_at=now,
    )


class ElementRows(Protocol):
    async def put(self, element: StorageElement) -> None:
        """Adds the element, or replaces the url of the one with this id."""
        ...

    async def seen(self, element: StorageElement) -> None:
        """Keeps what was just learnt of it."""
        ...

    async def get(self, storage_id: str) -> StorageElement | None: ...

    async def page(
        self, *, mode: Mode | None, status: ElementStatus | None, limit: int, offset: int
    ) -> tuple[Sequence[StorageElement], int]: ...

    async def every(self) -> Sequence[StorageElement]: ...


class ElementUnreachable(Exception):
    """Why an element could not be asked, in words for an operator."""


AskInfo = Callable[[str], Awaitable[ElementInfo]]
"""url → what the element there says of itself. Raises ElementUnreachable."""


async def get_element(rows: ElementRows, storage_id: str) -> StorageElement:
    element = await rows.get(storage_id)
    if element is None:
        raise NotFound("There is no such storage element")
    return element


class HealthPoller:
    """Asks every element how it is, all at once. Unreachable means `offline`, never a reason to delete anything."""

    def __init__(
        self, rows: Callable[[], AbstractAsyncContextManager[ElementRows]], ask: AskInfo, clock: Clock
    ) -> None:
        self._rows, self._ask, self._clock = rows, ask, clock

    async def run(self, every_seconds: float) -> None:
        """Until cancelled."""
        while True:
            try:
                await self.poll()
            except ArtStoreError as error:
                _log.warning("element health not kept", reason=error.message)
            except Exception:  # noqa: BLE001
                # Whatever it was: without this loop every element would keep its last state for ever.
                _log.exception("element health not kept")
            await asyncio.sleep(every_seconds)

    async def poll(self) -> None:
        async with self._rows() as rows:
            elements = await rows.every()
        for element in await asyncio.gather(*(self._look(element) for element in elements)):
            # One transaction each: an element that cannot be kept keeps no other one from it.
            try:
                async with self._rows() as rows:
                    await rows.seen(element)
            except ArtStoreError:
                raise
            except Exception:  # noqa: BLE001
                _log.exception("element health not kept", storage_id=element.storage_id)

    async def _look(self, element: StorageElement) -> StorageElement:
        now = self._clock()
        try:
            info = await self._ask(element.url)
            if info.storage_id != element.storage_id:
                raise ElementUnreachable(f"another element answers there: {info.storage_id}")
        except ElementUnreachable as error:
            if element.status is ElementStatus.ONLINE:
                _log.warning("element went offline", storage_id=element.storage_id, reason=str(error))
            return replace(element, status=ElementStatus.OFFLINE, last_error=str(error), checked_at=now)
        return replace(
            element,
            status=info.status,
            mode=info.mode,
            version=info.version,
            capacity_bytes=info.capacity_bytes,
            used_bytes=info.used_bytes,
            available_bytes=info.available_bytes,
            epoch=info.epoch,
            sequence=info.sequence,
            last_error=None,
            last_seen_at=now,
            checked_at=now,
        )

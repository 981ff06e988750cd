"""The list of storage elements and what is known of each right now (requirements R1, R6)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Protocol
from uuid import UUID

from artstore_core.elements import ElementInfo, ElementStatus
from artstore_core.errors import NotFound
from artstore_core.modes import Mode

from admin_service.registry.calls import ElementUnreachable as ElementUnreachable


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

    def heard(self, info: ElementInfo, asked_at: datetime) -> StorageElement:
        """As it is after it said this of itself."""
        return replace(
            self,
            status=info.status,
            mode=info.mode,
            version=info.version,
            capacity_bytes=info.capacity_bytes,
            used_bytes=info.used_bytes,
            available_bytes=info.available_bytes,
            epoch=info.epoch,
            sequence=info.sequence,
            last_error=None,
            last_seen_at=asked_at,
            checked_at=asked_at,
        )

    def missed(self, reason: str, asked_at: datetime) -> StorageElement:
        """As it is after it could not be asked: all else stays as it was heard last."""
        return replace(self, status=ElementStatus.OFFLINE, last_error=reason, checked_at=asked_at)


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

    async def add(self, element: StorageElement) -> bool:
        """False when its id or its url is registered already."""
        ...

    async def save(self, element: StorageElement) -> bool:
        """Replaces url and description. False when another element has that url."""
        ...

    async def seen(self, element: StorageElement) -> None:
        """Keeps what was just learnt of it, unless somebody asked it later, or another url was given meanwhile."""
        ...

    async def get(self, storage_id: str, *, lock: bool = False) -> StorageElement | None: ...

    async def is_registered(self, storage_id: str, url: str) -> bool:
        """Whether there is an element with this id or this url."""
        ...

    async def page(
        self, *, mode: Mode | None, status: ElementStatus | None, limit: int, offset: int
    ) -> tuple[Sequence[StorageElement], int]: ...

    async def every(self) -> Sequence[StorageElement]: ...

    async def has_live_files(self, storage_id: str) -> bool:
        """Whether any file is registered on it that is not deleted."""
        ...

    async def remove_files(self, storage_id: str, *, live: bool, limit: int) -> int:
        """Takes so many of its files out of the registry, only deleted ones unless `live`. How many they were."""
        ...

    async def delete(self, storage_id: str) -> None:
        """Nothing may be registered on it any more."""
        ...


async def get_element(rows: ElementRows, storage_id: str, *, lock: bool = False) -> StorageElement:
    """Raises NotFound."""
    element = await rows.get(storage_id, lock=lock)
    if element is None:
        raise NotFound("There is no such storage element")
    return element

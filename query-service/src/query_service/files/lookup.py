"""Finding one file for a reader."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol
from uuid import UUID

from artstore_core.errors import FileDamaged, ModeNotAllowed, NotFound
from artstore_core.files import File, FileStatus
from artstore_core.modes import ALLOWED, Mode, Operation

Clock = Callable[[], datetime]
_READABLE = frozenset({FileStatus.ACTIVE, FileStatus.DAMAGED})


@dataclass(frozen=True, slots=True)
class Home:
    """The storage element that has the bytes. `mode` is None before admin ever reached it.

    `epoch` names the disk that admin knows under this element's id; None when it knows none.
    """

    storage_id: str
    url: str
    mode: Mode | None
    epoch: UUID | None = None


@dataclass(frozen=True, slots=True)
class Located:
    file: File
    home: Home


class Registry(Protocol):
    async def get(self, file_id: UUID) -> Located | None:
        """None for an id that was never registered. Raises StorageUnavailable when the registry cannot be asked."""
        ...


async def find(registry: Registry, file_id: UUID, clock: Clock) -> Located:
    """A file that readers may see. Raises NotFound: deleted and expired ones are gone for them (G2)."""
    located = await registry.get(file_id)
    if located is None or located.file.status not in _READABLE or located.file.is_expired(clock()):
        raise NotFound("There is no such file")
    return located


async def find_bytes(registry: Registry, file_id: UUID, clock: Clock) -> Located:
    """A file whose bytes can be had. Raises NotFound, FileDamaged, ModeNotAllowed."""
    located = await find(registry, file_id, clock)
    if located.file.status is FileStatus.DAMAGED:
        raise FileDamaged("The file is damaged, and its bytes are not given out")
    if located.home.mode is not None and Operation.DOWNLOAD not in ALLOWED[located.home.mode]:
        raise ModeNotAllowed("The file is on a storage element that is archived and gives out no bytes")
    return located

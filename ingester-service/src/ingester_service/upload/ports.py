"""What the use case needs of the world: elements to write to, and admin, who knows them and keeps the registry."""

from __future__ import annotations

from collections.abc import AsyncGenerator, AsyncIterator, Sequence
from dataclasses import dataclass
from typing import Protocol
from uuid import UUID

from artstore_core.files import File, NewFile
from artstore_core.modes import Mode


@dataclass(frozen=True, slots=True)
class Element:
    """A storage element as admin last saw it. `available_bytes` is None before admin ever reached it."""

    storage_id: str
    url: str
    available_bytes: int | None


class Refused(Exception):
    """The element takes nothing now, and nothing was sent: another one may."""


class Full(Refused):
    """It has no room for a file of this size."""


class Elements(Protocol):
    """Writing to storage elements.

    All raise `Refused` only where nothing of the file is kept, AdminUnavailable where no token for the element could be
    had, and StorageUnavailable, StorageFull, FileTooLarge, ChecksumMismatch or UpstreamFailed otherwise.
    """

    async def put(self, element: Element, file_id: UUID, body: bytes, new: NewFile, sha256: str | None) -> File:
        """Stores a small file in one request. The same id and bytes again give the same file."""
        ...

    async def reserve(self, element: Element, upload_id: UUID, size: int | None) -> None:
        """Keeps room for `size` bytes at most; None reserves none."""
        ...

    async def append(self, element: Element, upload_id: UUID, pieces: AsyncIterator[bytes]) -> int:
        """Sends the pieces as they come; gives the bytes sent. What `pieces` raises comes through as it is."""
        ...

    async def complete(self, element: Element, upload_id: UUID, new: NewFile, size: int, sha256: str | None) -> File:
        """Makes the upload a file of the same id."""
        ...

    async def abort(self, element: Element, upload_id: UUID) -> None:
        """Throws the upload away. Never raises: what cannot be reached cleans up by itself."""
        ...


class Staged(Protocol):
    """Bytes that an element has and that are no file yet."""

    def read(self, element: Element, upload_id: UUID, start: int, length: int) -> AsyncGenerator[bytes, None]:
        """Its bytes from `start` on; fewer where it ends before. Raises StorageUnavailable, NotFound."""
        ...


class QuotaKeeper(Protocol):
    """Admin, who keeps the accounts' quotas."""

    async def reserve(self, file_id: UUID, principal: str, size: int) -> bool:
        """Keeps room for one file of `size` bytes at most for an hour; again renews it. False: there is no quota.

        Raises QuotaExceeded, AdminUnavailable.
        """
        ...

    async def release(self, file_id: UUID) -> None:
        """Gives the room back. Never raises: what was not given back ends by itself."""
        ...


class RegistrationRefused(Exception):
    """Admin answered, and no repetition will change its mind."""


class RegistrationFailed(Exception):
    """Admin could not be reached, or could not do it now."""


class Admin(Protocol):
    async def writable(self, mode: Mode) -> Sequence[Element]:
        """The elements that are online in this mode. Raises AdminUnavailable."""
        ...

    async def register(self, file: File, storage_id: str) -> None:
        """Puts the file into the registry; again is harmless. Raises RegistrationRefused, RegistrationFailed."""
        ...

"""What resumable uploads need of the world, and how they can be refused."""

from __future__ import annotations

from collections.abc import AsyncGenerator, AsyncIterator, Sequence
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from typing import Any, Protocol
from uuid import UUID

from artstore_core.errors import Conflict
from artstore_core.files import File, NewFile

from ingester_service.resumable.begun import Standing
from ingester_service.resumable.whereabouts import KnownElement
from ingester_service.upload.ports import Element


class OtherOffset(Conflict):
    """The upload ends elsewhere than the client believes."""


class Locked(Conflict):
    """Another request is at work on the upload: 423, as tusd has it (RFC 4918 §11.3)."""

    status = 423

    def __init__(self) -> None:
        super().__init__("Another request is working on this upload", headers={"Retry-After": "1"})


@dataclass(frozen=True, slots=True)
class Checksum:
    """Of one body: the algorithm's name as tus writes it, and the digest in base64."""

    algorithm: str
    digest: str


class Staging(Protocol):
    """The half-files on elements.

    All raise AdminUnavailable where no token for the element could be had, StorageUnavailable where the element does not
    answer, and NotFound, Locked, OtherOffset, FileTooLarge, StorageFull, ChecksumMismatch or UpstreamFailed as it says.
    """

    async def standing(self, element: KnownElement, upload_id: UUID) -> Standing | None:
        """None where it has no such upload."""
        ...

    async def reserve(
        self,
        element: Element,
        upload_id: UUID,
        size: int | None,
        context: dict[str, Any],
        part_size: int | None = None,
    ) -> int:
        """Begins an upload, in parts where they have a size; gives its offset, which is 0 unless it was begun before.
        Raises Refused."""
        ...

    async def give_size(self, element: Element, upload_id: UUID, size: int) -> None:
        """To one that was begun without."""
        ...

    async def append(
        self,
        element: Element,
        upload_id: UUID,
        offset: int,
        pieces: AsyncIterator[bytes],
        checksum: Checksum | None = None,
    ) -> int:
        """Sends the pieces as they come; gives where the upload ends then. With a checksum either all of them are kept or
        none."""
        ...

    def read(self, element: Element, upload_id: UUID, start: int, length: int) -> AsyncGenerator[bytes, None]:
        """Its bytes from `start` on; fewer where it ends before."""
        ...

    async def concatenate(self, element: Element, upload_id: UUID, parts: Sequence[UUID]) -> None:
        """Makes the empty upload of these parts, which end with it. Again is harmless."""
        ...

    async def complete(self, element: Element, upload_id: UUID, new: NewFile, size: int) -> File:
        """Makes the file. Again is harmless."""
        ...

    async def end(self, element: Element, upload_id: UUID) -> None:
        """Throws the upload away. Raises Locked."""
        ...


class Quota(Protocol):
    """What a principal may still store. What is set aside lasts for a time, and until the file is registered."""

    async def reserve(self, principal: str, file_id: UUID, size: int) -> None:
        """Sets so many bytes aside for the file; again replaces what was set aside. Raises QuotaExceeded,
        AdminUnavailable."""
        ...

    def kept(self, principal: str, file_id: UUID, size: int) -> AbstractAsyncContextManager[None]:
        """Sets aside, and goes on to do so while the block runs, however long. Raises QuotaExceeded."""
        ...

    async def give_back(self, file_id: UUID) -> None:
        """What was set aside is free again; of nothing, too. Never raises."""
        ...

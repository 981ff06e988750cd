"""The bytes of one file, from the element that has them."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass
from typing import Protocol
from uuid import UUID

from query_service.files.lookup import Clock, Home, Registry, find_bytes


class Opened(Protocol):
    """An element's answer: its headers are here, its bytes are still to come. Must be closed."""

    @property
    def status(self) -> int: ...

    @property
    def headers(self) -> Mapping[str, str]: ...

    def pieces(self) -> AsyncIterator[bytes]: ...

    async def close(self) -> None: ...


class Source(Protocol):
    async def open(self, home: Home, file_id: UUID, method: str, headers: Mapping[str, str]) -> Opened:
        """An answer of 200, 206 or 304. `headers` are the client's conditions and range.

        Raises NotFound, FileDamaged, ModeNotAllowed, PreconditionFailed, InvalidRange as the element says, and
        StorageUnavailable or UpstreamFailed where it cannot be reached or does not do its part.
        """
        ...


@dataclass(frozen=True, slots=True)
class Downloads:
    """The use case behind `GET /api/v1/files/{id}/download`."""

    registry: Registry
    source: Source
    clock: Clock

    async def open(self, file_id: UUID, method: str, headers: Mapping[str, str]) -> Opened:
        """Raises what `find_bytes` and `Source.open` raise."""
        located = await find_bytes(self.registry, file_id, self.clock)
        return await self.source.open(located.home, file_id, method, headers)

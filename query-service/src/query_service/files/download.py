"""The bytes of one file, from the element that has them."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Mapping
from contextlib import suppress
from dataclasses import dataclass
from typing import Protocol
from uuid import UUID

from artstore_core.errors import ArtStoreError, NotFound, StorageUnavailable
from artstore_core.files import File
from artstore_kit.logs import get_logger
from artstore_tickets import Disposition

from query_service.files.lookup import Clock, Home, Located, Registry, find_bytes
from query_service.metrics import QueryMetrics

_log = get_logger(__name__)


class Opened(Protocol):
    """An element's answer: its headers are here, its bytes are still to come. Must be closed."""

    @property
    def status(self) -> int: ...

    @property
    def headers(self) -> Mapping[str, str]: ...

    def pieces(self) -> AsyncGenerator[bytes, None]:
        """Must be closed before this is."""
        ...

    async def whole(self, most: int) -> bytes:
        """All of them, at once. Raises StorageUnavailable where they break off, UpstreamFailed beyond `most` bytes."""
        ...

    async def close(self) -> None: ...


@dataclass(frozen=True, slots=True)
class Asked:
    """What a client asks of a file's bytes. `headers` are its conditions and its range, by name in lower case."""

    file_id: UUID
    method: str
    headers: Mapping[str, str]
    disposition: Disposition | None = None


@dataclass(frozen=True, slots=True)
class Gateway:
    """Our own gateway, which asks for a client. `routes`: the elements that it can reach, as it writes them down.

    `scheme` is that of the client's request.
    """

    routes: str
    scheme: str


@dataclass(frozen=True, slots=True)
class Elsewhere:
    """For the gateway, never for a client: where the bytes are. The url holds a ticket."""

    url: str


@dataclass(frozen=True, slots=True)
class AtHand:
    """All of a file's bytes, from memory: the conditions and the range are still to be judged."""

    file: File
    content: bytes


class Shortcut(Protocol):
    def to(self, home: Home, asked: Asked, gateway: Gateway) -> str | None:
        """The url for `Elsewhere`; None where this gateway has no route to this element."""
        ...


class Source(Protocol):
    async def open(self, home: Home, asked: Asked) -> Opened:
        """An answer of 200, 206 or 304.

        Raises NotFound, FileDamaged, ModeNotAllowed, PreconditionFailed, InvalidRange as the element says, and
        StorageUnavailable or UpstreamFailed where it cannot be reached or does not do its part.
        """
        ...

    async def confirm_missing(self, home: Home, file_id: UUID) -> None:
        """Raises StorageUnavailable unless it is this very element that says, twice, that it has no such file."""
        ...


class Memory(Registry, Protocol):
    """files.hot.HotFiles."""

    def forget(self, file_id: UUID) -> None: ...

    def note_seen(self, file_id: UUID, located: Located) -> None: ...

    def was_seen(self, file_id: UUID) -> bool: ...


class Contents(Protocol):
    """files.contents.HotContents. `largest` in bytes: no larger file is kept."""

    @property
    def largest(self) -> int: ...

    def get(self, located: Located) -> bytes | None: ...

    def keep(self, located: Located, content: bytes) -> None: ...


class Marks(Protocol):
    async def mark_deleted(self, file_id: UUID, storage_id: str) -> bool:
        """In the registry. False where there is no such file on that element any more. Raises StorageUnavailable."""
        ...


@dataclass(frozen=True, slots=True)
class Downloads:
    """The use case behind `GET /api/v1/files/{id}/download`."""

    registry: Memory
    source: Source
    marks: Marks
    clock: Clock
    metrics: QueryMetrics
    contents: Contents
    shortcut: Shortcut | None = None

    async def start(self, asked: Asked, gateway: Gateway | None) -> Opened | Elsewhere | AtHand:
        """`gateway`: the one that asks, if it is ours and can fetch the bytes by itself. Raises what `open` raises."""
        located = await find_bytes(self.registry, asked.file_id, self.clock)
        if located.file.size <= self.contents.largest:
            found = await self._small(located, asked)
            if found is not None:
                return found
        if gateway is not None and self.shortcut is not None:
            url = self.shortcut.to(located.home, asked, gateway)
            if url is not None and await self._is_there(located, asked.file_id):
                self.metrics.redirects.inc()
                return Elsewhere(url)
        return await self.open(asked)

    async def _small(self, located: Located, asked: Asked) -> AtHand | None:
        """None for a part, or on a condition, of what is not in memory: who asks so may need no bytes at all."""
        content = self.contents.get(located)
        if content is None:
            if asked.method != "GET" or asked.headers:
                return None
            content = await self._read(located, asked)
        else:
            self.metrics.content_hits.inc()
        return AtHand(located.file, content)

    async def _read(self, located: Located, asked: Asked) -> bytes:
        opened = await self.open(asked)
        try:
            content = await opened.whole(located.file.size)
        finally:
            await opened.close()
        self.contents.keep(located, content)
        return content

    async def _is_there(self, located: Located, file_id: UUID) -> bool:
        """Asks the element, once a file while memory has it. What it refuses is `open`'s to tell: HEAD has no words."""
        if self.registry.was_seen(file_id):
            return True
        try:
            opened = await self.source.open(located.home, Asked(file_id, "HEAD", {}))
        except StorageUnavailable:
            raise
        except ArtStoreError:
            return False
        await opened.close()
        self.registry.note_seen(file_id, located)
        return True

    async def open(self, asked: Asked) -> Opened:
        """Raises what `find_bytes` and `Source.open` raise."""
        located = await find_bytes(self.registry, asked.file_id, self.clock)
        try:
            return await self.source.open(located.home, asked)
        except NotFound:
            return await self._look_again(located, asked)

    async def _look_again(self, before: Located, asked: Asked) -> Opened:
        """Memory may not know yet that the file has moved or is deleted; the registry does."""
        self.registry.forget(asked.file_id)
        located = await find_bytes(self.registry, asked.file_id, self.clock)
        if located.home != before.home:
            with suppress(NotFound):
                return await self.source.open(located.home, asked)
        await self._clean_up(located)
        raise NotFound("There is no such file")

    async def _clean_up(self, located: Located) -> None:
        """Lazy cleanup (requirement Q4). An element that is away, or another one, deletes nothing."""
        file_id, storage_id = located.file.file_id, located.home.storage_id
        await self.source.confirm_missing(located.home, file_id)
        try:
            if await self.marks.mark_deleted(file_id, storage_id):
                self.metrics.marked_deleted.inc()
                _log.warning("a file is gone from its element", file_id=str(file_id), storage_id=storage_id)
        except StorageUnavailable:
            _log.warning("a file that is gone could not be marked", file_id=str(file_id), storage_id=storage_id)
        finally:
            self.registry.forget(file_id)

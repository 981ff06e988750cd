"""The element itself: is its disk there, what does its mode allow, how much room is left?"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress

from artstore_core.elements import ElementInfo
from artstore_core.errors import ArtStoreError, ModeNotAllowed, StorageUnavailable
from artstore_core.modes import ALLOWED, Mode, Operation

from storage_element.store.capacity import Capacity
from storage_element.store.ports import Disk, Found, Index
from storage_element.store.workers import Workers

CHANGES = frozenset({Operation.UPLOAD, Operation.UPDATE, Operation.DELETE})
Report = Callable[[str], None]


class Element:
    """Open while the disk carries the element's marker; closed, it answers nothing but that (requirement S13)."""

    def __init__(
        self,
        storage_id: str,
        version: str,
        disk: Disk,
        index: Index,
        capacity: Capacity,
        workers: Workers,
        report: Report,
    ) -> None:
        self._storage_id, self._version = storage_id, version
        self._disk, self._index, self._capacity, self._workers = disk, index, capacity, workers
        self._report = report
        self._mode: Mode | None = None
        self._why = "The storage element is starting."
        self.opened = asyncio.Event()
        self._changes = 0
        self._quiet = asyncio.Event()
        self._quiet.set()
        self._on_open: list[Callable[[Found], None]] = []

    def on_open(self, take: Callable[[Found], None]) -> None:
        """Calls `take` with what the disk holds, each time the element opens."""
        self._on_open.append(take)

    async def open(self) -> None:
        """Reads the disk and opens. Raises StorageUnavailable, and stays closed."""
        await self._quiet.wait()  # a change that is under way must not be taken for an interrupted one
        try:
            found = await self._workers.run(self._disk.recover)
            mode = await self._workers.look(self._disk.mode)
        except ArtStoreError as error:
            self._why = error.message
            raise
        self._index.fill(found.files)
        for take in self._on_open:
            take(found)
        self._mode = mode
        self.opened.set()
        self._report("open")

    async def watch(self, seconds: float) -> None:
        """For ever: closes when the marker goes, opens when it comes back."""
        while True:
            with suppress(ArtStoreError):  # readiness tells why, and so does every call
                await (self._check_marker() if self._mode is not None else self.open())
            await asyncio.sleep(seconds)

    async def probe(self) -> None:
        """Raises StorageUnavailable while the element cannot do its work."""
        if self._mode is None:
            raise StorageUnavailable(self._why)
        await self._check_marker()
        if self._disk.failed:
            raise StorageUnavailable("The storage element takes no changes until it is restarted.", retry_after=30)

    async def admit(self, operation: Operation) -> None:
        """Raises StorageUnavailable, and ModeNotAllowed. Before any byte is read, and before anything is looked up."""
        mode = self._mode
        if mode is None:
            raise StorageUnavailable(self._why)
        await self._check_marker()
        if operation not in ALLOWED[mode]:
            raise ModeNotAllowed(f"The mode {mode} does not allow {operation}.")
        if operation in CHANGES and self._disk.failed:
            raise StorageUnavailable("The storage element takes no changes until it is restarted.", retry_after=30)

    @asynccontextmanager
    async def changing(self) -> AsyncIterator[None]:
        """Around every step that recovery must not see half done."""
        if self._mode is None:
            raise StorageUnavailable(self._why)
        self._changes += 1
        self._quiet.clear()
        try:
            yield
        finally:
            self._changes -= 1
            if not self._changes:
                self._quiet.set()

    async def info(self) -> ElementInfo:
        """Raises StorageUnavailable: a guess at the room left would send uploads here."""
        await self.probe()
        mode = self._mode
        if mode is None:
            raise StorageUnavailable(self._why)
        disk = await self._workers.look(self._disk.usage)
        capacity, used, available = self._capacity.figures(self._index.used_bytes, disk)
        return ElementInfo(
            storage_id=self._storage_id,
            mode=mode,
            version=self._version,
            capacity_bytes=capacity,
            used_bytes=used,
            available_bytes=available,
            allowed_operations=[operation for operation in Operation if operation in ALLOWED[mode]],
        )

    async def _check_marker(self) -> None:
        try:
            await self._workers.look(self._disk.check)
        except StorageUnavailable as error:
            if self._mode is not None:
                self._mode, self._why = None, error.message
                self.opened.clear()
                self._report(f"closed: {error.message}")
            raise

"""Telling admin of a file whose bytes are safe (requirement G4)."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

from artstore_core.files import File
from artstore_kit.logs import get_logger

from ingester_service.upload.ports import RegistrationFailed, RegistrationRefused

_log = get_logger(__name__)


@dataclass(frozen=True, slots=True)
class Patience:
    """Seconds, but for `waiting`."""

    now: tuple[float, ...] = (0.2, 0.8)
    """Pauses between the tries while the client waits; the first try comes before them."""
    waiting: int = 10_000
    """Files that may wait for admin. Those beyond are on their elements all the same, for a sync to find."""
    first_pause: float = 1.0
    longest_pause: float = 30.0
    give_up: float = 3600.0


class Registrar(Protocol):
    async def register(self, file: File, storage_id: str) -> None:
        """Puts the file into the registry; again is harmless. Raises RegistrationRefused, RegistrationFailed."""
        ...


@dataclass(frozen=True, slots=True)
class _Waiting:
    file: File
    storage_id: str
    until: float


class Registration:
    """Registers at once where it can, and in the background where it cannot.

    What is lost from the queue (a restart, an hour without admin) is not lost: the element has the file and its
    attr.json, from which the registry can be made whole.
    """

    def __init__(self, admin: Registrar, patience: Patience, clock: Callable[[], float] = time.monotonic) -> None:
        self._admin, self._patience, self._clock = admin, patience, clock
        self._queue: asyncio.Queue[_Waiting] = asyncio.Queue(patience.waiting)

    @property
    def waiting(self) -> int:
        return self._queue.qsize()

    async def register(self, file: File, storage_id: str) -> bool:
        """False when the registration has to wait."""
        try:
            for pause in (*self._patience.now, None):
                if await self._try(file, storage_id):
                    return True
                if pause is not None:
                    await asyncio.sleep(pause)
        except RegistrationRefused as refusal:
            _log.error("registration refused", file_id=str(file.file_id), storage_id=storage_id, reason=str(refusal))
            return False
        except Exception:  # noqa: BLE001  said in the log, and tried again
            # The file is safe: whatever this is, its uploader must not take it for a failed upload.
            _log.exception("registration failed unexpectedly", file_id=str(file.file_id), storage_id=storage_id)
        self._wait(_Waiting(file, storage_id, self._clock() + self._patience.give_up))
        return False

    async def run(self) -> None:
        """Works off what waits, until cancelled."""
        pause = self._patience.first_pause
        while True:
            entry = await self._queue.get()
            if await self._settled(entry):
                pause = self._patience.first_pause
                continue
            self._wait(entry)
            await asyncio.sleep(pause)
            pause = min(pause * 2, self._patience.longest_pause)

    async def _settled(self, entry: _Waiting) -> bool:
        """Never raises: the files behind this one wait for the same loop."""
        try:
            if self._clock() >= entry.until:
                _log.warning("registration left to the sync", file_id=str(entry.file.file_id))
                return True
            return await self._try(entry.file, entry.storage_id)
        except RegistrationRefused as refusal:
            _log.error("registration refused", file_id=str(entry.file.file_id), reason=str(refusal))
            return True
        except Exception:  # noqa: BLE001  said in the log, and tried again
            _log.exception("registration failed unexpectedly", file_id=str(entry.file.file_id))
            return False

    async def _try(self, file: File, storage_id: str) -> bool:
        try:
            await self._admin.register(file, storage_id)
        except RegistrationFailed as failure:
            _log.warning("registration failed", file_id=str(file.file_id), reason=str(failure))
            return False
        return True

    def _wait(self, entry: _Waiting) -> None:
        try:
            self._queue.put_nowait(entry)
        except asyncio.QueueFull:
            _log.warning("registration left to the sync: too many wait", file_id=str(entry.file.file_id))

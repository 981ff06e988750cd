"""Registrations that wait for admin at the same time go to it in one request.

The first goes at once and alone, as if there were no others; those that come while it is under way go together when it
is answered. So one upload at a time is as quick as it can be, and a hundred at a time cost admin and PostgreSQL a few
transactions. Each file has an answer of its own.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Sequence
from contextvars import Context, copy_context
from dataclasses import dataclass
from typing import Final, Protocol

from artstore_core.files import File

from ingester_service.upload.ports import RegistrationFailed, RegistrationRefused

MOST: Final = 100
"""Files in one request: what admin takes."""
LARGEST: Final = 512 * 1024
"""Characters of such files, about, of the mebibyte that admin takes. One that is larger goes alone."""
_FIXED: Final = 1024
_DONE: Final = frozenset({"added", "updated"})


class Registry(Protocol):
    """Admin."""

    async def register(self, file: File, storage_id: str) -> None:
        """Raises RegistrationRefused, RegistrationFailed."""
        ...

    async def register_together(self, files: Sequence[tuple[File, str]]) -> Sequence[str]:
        """What became of each file (with its element), in their order: `added`, `updated`, or why it was not taken.

        Raises RegistrationRefused, RegistrationFailed where that is so for all of them.
        """
        ...


@dataclass(frozen=True, slots=True)
class _Waiting:
    file: File
    storage_id: str
    answered: asyncio.Future[None]
    context: Context

    @property
    def size(self) -> int:
        """No less than its JSON, where what people wrote is escaped at its worst."""
        said = (self.file.description or "", self.file.original_filename, str(self.file.tags), str(self.file.metadata))
        return _FIXED + 6 * sum(map(len, said))


class Together:
    """A registration's Registrar."""

    def __init__(self, registry: Registry) -> None:
        self._registry = registry
        self._waiting: deque[_Waiting] = deque()
        self._sending: asyncio.Task[None] | None = None

    async def register(self, file: File, storage_id: str) -> None:
        """Raises RegistrationRefused, RegistrationFailed. Whoever is cancelled here does not take the file back."""
        answered = asyncio.get_running_loop().create_future()
        self._waiting.append(_Waiting(file, storage_id, answered, copy_context()))
        self._go_on()
        await answered

    def _go_on(self) -> None:
        if self._waiting and self._sending is None:
            some = self._some()
            # Ids of request and trace are the first one's.
            self._sending = asyncio.create_task(self._send(some), context=some[0].context)
            self._sending.add_done_callback(self._sent)

    def _sent(self, _task: asyncio.Task[None]) -> None:
        self._sending = None
        self._go_on()

    def _some(self) -> list[_Waiting]:
        some = [self._waiting.popleft()]
        size = some[0].size
        while self._waiting and len(some) < MOST and (size := size + self._waiting[0].size) <= LARGEST:
            some.append(self._waiting.popleft())
        return some

    async def _send(self, some: Sequence[_Waiting]) -> None:
        """Answers each of them, whatever happens."""
        try:
            reasons = await self._answers(some)
        except asyncio.CancelledError:
            for one in some:
                one.answered.cancel()
            raise
        except Exception as error:  # noqa: BLE001  handed to those who wait, who say it in the log
            for one in some:
                _tell(one, error)
            return
        for one, reason in zip(some, reasons, strict=True):
            _tell(one, reason)

    async def _answers(self, some: Sequence[_Waiting]) -> Sequence[Exception | None]:
        if len(some) == 1:
            return [await self._alone(some[0])]
        try:
            outcomes = await self._registry.register_together([(one.file, one.storage_id) for one in some])
        except RegistrationRefused:
            # The request as a whole: whatever is wrong with it, it is not each of these files.
            return [await self._alone(one) for one in some]
        return [None if outcome in _DONE else RegistrationRefused(f"admin said {outcome}") for outcome in outcomes]

    async def _alone(self, one: _Waiting) -> Exception | None:
        try:
            await self._registry.register(one.file, one.storage_id)
        except (RegistrationFailed, RegistrationRefused) as error:
            return error
        return None


def _tell(one: _Waiting, error: Exception | None) -> None:
    if one.answered.done():
        return
    if error is None:
        one.answered.set_result(None)
    else:
        one.answered.set_exception(_for_one(error))


def _for_one(error: Exception) -> Exception:
    """One of its own for each: they are raised in several places, and each adds its traceback."""
    if isinstance(error, RegistrationFailed | RegistrationRefused):
        return type(error)(*error.args)
    return RegistrationFailed(f"{type(error).__name__}: {error}")

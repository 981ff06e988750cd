"""Tasks that go on for as long as the process does."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from types import TracebackType
from typing import Final, Self

from artstore_core.errors import StorageUnavailable
from artstore_kit.logs import get_logger

_log = get_logger(__name__)

_PAUSE_SECONDS: Final = 1.0


class Tasks:
    """Cancels what is still going on at its end. Something that broke is begun again after a pause."""

    def __init__(self) -> None:
        self._tasks: set[asyncio.Task[None]] = set()

    def keep(self, name: str, work: Callable[[], Awaitable[None]]) -> None:
        self._tasks.add(asyncio.create_task(_kept(name, work), name=name))

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for task in self._tasks:
            task.cancel()
        if self._tasks:
            await asyncio.wait(self._tasks)


async def _kept(name: str, work: Callable[[], Awaitable[None]]) -> None:
    while True:
        try:
            return await work()
        except StorageUnavailable:
            _log.warning("the database is away", task=name)
        except Exception:  # noqa: BLE001  a worker that has lost one of its tasks would look well and do nothing
            _log.exception("begun again", task=name)
        await asyncio.sleep(_PAUSE_SECONDS)

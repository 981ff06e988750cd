"""Hearing of NOTIFY, over a connection of its own, for as long as the process lives."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from contextlib import suppress
from typing import Any, Final

import asyncpg
from artstore_kit.logs import get_logger
from artstore_outbox.follower import Connect

_log = get_logger(__name__)

CHANGES: Final = "artstore_render"
"""The channel that tells the id of each file of whose previews there is news."""
_PAUSES: Final = (0.1, 5.0)
_AWAY: Final = (OSError, TimeoutError, asyncpg.PostgresError, asyncpg.InterfaceError, asyncpg.InternalClientError)
_CLOSE_SECONDS: Final = 3.0


class Bell:
    """jobs.worker.Bell: rings once, however often it was rung while nobody waited."""

    def __init__(self) -> None:
        self._rung = asyncio.Event()

    def ring(self) -> None:
        self._rung.set()

    async def wait(self, seconds: float) -> None:
        with suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                await self._rung.wait()
        self._rung.clear()


async def listen(connect: Connect, heard: Mapping[str, Callable[[str], None]], missed: Callable[[], None]) -> None:
    """Until cancelled. `heard` gets the payloads, by channel; `missed` is called whenever some may have been lost."""
    pause = _PAUSES[0]
    while True:
        try:
            connection = await connect()
            try:
                broken = asyncio.Event()
                connection.add_termination_listener(lambda _connection, broken=broken: broken.set())
                for channel in heard:
                    await connection.add_listener(channel, lambda _connection, _pid, on, payload: heard[on](payload))
                missed()
                pause = _PAUSES[0]
                await broken.wait()
            finally:
                await _closed(connection)
        except _AWAY as error:
            _log.warning("the database cannot be listened to now", reason=type(error).__name__)
        await asyncio.sleep(pause)
        pause = min(2 * pause, _PAUSES[1])


async def _closed(connection: asyncpg.Connection[Any]) -> None:
    try:
        await connection.close(timeout=_CLOSE_SECONDS)
    except _AWAY:
        connection.terminate()

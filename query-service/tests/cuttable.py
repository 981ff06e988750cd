"""A way to PostgreSQL that can be cut and mended, as a network can."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from pathlib import Path

from artstore_testing.postgres import Database

_SOCKET = ".s.PGSQL.5432"


class Cuttable:
    """Passes connections on to the server's own socket from one in `directory`."""

    def __init__(self, database: Database, directory: Path) -> None:
        self.database = Database(database.name, directory)
        self._target, self._path = database.socket_dir / _SOCKET, directory / _SOCKET
        self._server: asyncio.Server | None = None
        self._open: set[asyncio.StreamWriter] = set()
        self._passing: set[asyncio.Task[None]] = set()

    async def mend(self) -> None:
        self._server = await asyncio.start_unix_server(self._connected, self._path)

    async def cut(self) -> None:
        """What is open breaks, and nothing new comes through."""
        if self._server is not None:
            self._server.close()
            self._path.unlink(missing_ok=True)
        for writer in self._open:
            writer.transport.abort()
        if self._passing:
            await asyncio.wait(self._passing)

    async def _connected(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._passing.add(task)
        try:
            there, back = await asyncio.open_unix_connection(self._target)
            ends = {writer, back}
            self._open |= ends
            # One end that closes, closes the other.
            await asyncio.wait(
                [asyncio.create_task(_pass_on(reader, back)), asyncio.create_task(_pass_on(there, writer))]
            )
            self._open -= ends
        finally:
            self._passing.discard(task)


async def _pass_on(source: asyncio.StreamReader, sink: asyncio.StreamWriter) -> None:
    with suppress(OSError):
        while piece := await source.read(65536):
            sink.write(piece)
            await sink.drain()
    sink.close()
    with suppress(OSError):
        await sink.wait_closed()


@asynccontextmanager
async def cuttable(database: Database, directory: Path) -> AsyncIterator[Cuttable]:
    way = Cuttable(database, directory)
    await way.mend()
    try:
        yield way
    finally:
        await way.cut()

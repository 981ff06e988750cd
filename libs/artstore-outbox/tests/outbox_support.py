"""What the tests of the outbox share: writers of the registry, and a reader that keeps its place."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import aclosing, asynccontextmanager, suppress
from dataclasses import dataclass, field
from typing import Any
from uuid import UUID

import asyncpg
from artstore_core.ids import new_id
from artstore_outbox import Event, Events, Follower, Lost, Position, Why
from artstore_testing.postgres import Database

FILE = """
INSERT INTO files (file_id, storage_element_id, original_filename, content_type, size, checksum, uploaded_by,
    uploaded_at, status, retention_policy, revision)
VALUES ($1, 'se-rw-1', 'a.pdf', 'application/pdf', 10, repeat('0', 64), 'sa:sa_test_0001', now(), 'active', 'permanent', 1)
"""


async def add_file(connection: asyncpg.Connection[Any]) -> UUID:
    file_id = new_id()
    await connection.execute(FILE, file_id)
    return file_id


@asynccontextmanager
async def connected(database: Database, role: str = "artstore_owner") -> AsyncIterator[asyncpg.Connection[Any]]:
    connection = await asyncpg.connect(database.url(role))
    try:
        yield connection
    finally:
        await connection.close()


@dataclass
class Kept:
    """A reader's own store: its place, and what it made of the events, both changed in one step."""

    position: Position | None = None
    taken: list[Event] = field(default_factory=list)
    lost: list[Why] = field(default_factory=list)
    changed: asyncio.Event = field(default_factory=asyncio.Event)

    async def load(self) -> Position | None:
        return self.position

    @property
    def subjects(self) -> list[str]:
        return [event.subject for event in self.taken]

    async def read(self, follower: Follower) -> None:
        """Until cancelled."""
        async with aclosing(follower.follow(self)) as news:
            async for one in news:
                match one:
                    case Events(events, position):
                        self.taken += events
                    case Lost(why, position):
                        self.lost.append(why)
                self.position = position
                self.changed.set()

    async def until_taken(self, number: int, seconds: float = 20) -> None:
        async with asyncio.timeout(seconds):
            while len(self.taken) < number:
                self.changed.clear()
                await self.changed.wait()

    async def until_lost(self, number: int = 1, seconds: float = 20) -> None:
        async with asyncio.timeout(seconds):
            while len(self.lost) < number:
                self.changed.clear()
                await self.changed.wait()


@asynccontextmanager
async def reading(kept: Kept, follower: Follower) -> AsyncIterator[None]:
    task = asyncio.create_task(kept.read(follower))
    try:
        yield
    finally:
        task.cancel()
        with suppress(asyncio.CancelledError):
            await task

"""Reading the outbox in the order of its transactions, and never past one that may still commit."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import aclosing
from dataclasses import dataclass
from typing import Any, Final

import asyncpg
from artstore_kit.logs import get_logger

from artstore_outbox.news import Event, Events, Lost, News, Position, Positions, Why

_log = get_logger(__name__)

CHANNEL: Final = "artstore_outbox"
BATCH = 500
POLL_SECONDS = 30.0
CONNECT_SECONDS = 3.0
COMMAND_SECONDS = 30.0
# The last is what asyncpg says of a connection that is cut between two steps of one statement.
_AWAY = (OSError, TimeoutError, asyncpg.PostgresError, asyncpg.InterfaceError, asyncpg.InternalClientError)

Connect = Callable[[], Awaitable["asyncpg.Connection[Any]"]]

# A dump restored, a recovery to an earlier point and a move all change one of the four.
ORIGIN = """
SELECT concat_ws('-',
    (SELECT system_identifier FROM pg_control_system()),
    left(pg_walfile_name(pg_current_wal_lsn()), 8),
    (SELECT oid FROM pg_database WHERE datname = current_database()),
    'outbox'::regclass::oid)
"""

# One statement, so that all of it is of one snapshot: a trim between two of them would go unseen.
_READ = """
WITH now AS MATERIALIZED (
    SELECT pg_snapshot_xmin(taken)::text::bigint AS oldest_running, pg_snapshot_xmax(taken)::text::bigint AS next
    FROM pg_current_snapshot() AS taken
)
SELECT now.oldest_running, now.next,
    coalesce(trimmed.transaction_id, 0) AS trimmed_transaction, coalesce(trimmed.id, 0) AS trimmed_id,
    EXISTS (SELECT FROM outbox WHERE transaction_id >= now.oldest_running AND transaction_id < now.next) AS held_back,
    event.transaction_id, event.id, event.happened_at, event.kind, event.subject
FROM now LEFT JOIN outbox_trimmed AS trimmed ON true LEFT JOIN LATERAL (
    SELECT * FROM outbox
    WHERE (transaction_id, id) > ($1, $2) AND transaction_id < now.oldest_running
    ORDER BY transaction_id, id LIMIT $3
) AS event ON true
ORDER BY event.transaction_id, event.id
"""


@dataclass(frozen=True, slots=True)
class Pace:
    """Seconds. `poll`: how long nothing is asked when nobody wakes us. `held_back`: pauses, from the first to the longest,
    while events wait for an older transaction to end, of which nobody tells. `away`: the same for a lost connection."""

    poll: float = POLL_SECONDS
    held_back: tuple[float, float] = (0.02, 1.0)
    away: tuple[float, float] = (0.1, 5.0)


class Follower:
    """Follows over a connection of its own, which `connect` makes; `batch` events at most are held at a time."""

    def __init__(self, connect: Connect, *, batch: int = BATCH, pace: Pace | None = None) -> None:
        self._connect, self._batch, self._pace = connect, batch, pace or Pace()

    async def follow(self, positions: Positions) -> AsyncGenerator[News, None]:
        """News without end. Outlives the loss of the connection; then it goes on from what `positions` has kept.

        The next batch is asked for when the reader comes back for it, so a slow reader holds no more than one.
        """
        pause = self._pace.away[0]
        while True:
            try:
                connection = await self._connect()
                try:
                    async with aclosing(self._session(connection, await positions.load())) as session:
                        async for news in session:
                            pause = self._pace.away[0]
                            yield news
                finally:
                    await _closed(connection)
            except _AWAY as error:
                _log.warning("the outbox cannot be read now", reason=type(error).__name__)
            await asyncio.sleep(pause)
            pause = min(pause * 2, self._pace.away[1])

    async def _session(self, connection: asyncpg.Connection[Any], at: Position | None) -> AsyncGenerator[News, None]:
        woken = asyncio.Event()
        connection.add_termination_listener(lambda _connection: woken.set())
        await connection.add_listener(CHANNEL, lambda *_: woken.set())
        origin = await connection.fetchval(ORIGIN)
        held_back = self._pace.held_back[0]
        while True:
            woken.clear()
            rows = await connection.fetch(_READ, *((at.transaction_id, at.id) if at else (0, 0)), self._batch)
            news = _judged(origin, at, rows)
            if news is not None:
                at, held_back = news.position, self._pace.held_back[0]
                yield news
            elif rows[0]["held_back"]:
                await _wait(woken, held_back)
                held_back = min(held_back * 2, self._pace.held_back[1])
            else:
                await _wait(woken, self._pace.poll)


def connecting(url: str, *, application: str = "outbox") -> Connect:
    """Makes connections to `postgresql://…`, bounded in time."""

    async def connect() -> asyncpg.Connection[Any]:
        return await asyncpg.connect(
            url,
            timeout=CONNECT_SECONDS,
            command_timeout=COMMAND_SECONDS,
            server_settings={"application_name": application},
        )

    return connect


def _judged(origin: str, at: Position | None, rows: list[asyncpg.Record]) -> News | None:
    now = rows[0]
    # All that is older than every running transaction is seen by whoever reads the registry from here on.
    fresh = Position(origin, now["oldest_running"], 0)
    if at is None:
        return Lost(Why.NEW, fresh)
    if at.origin != origin or at.transaction_id > now["next"]:
        return Lost(Why.OTHER_DATABASE, fresh)
    if at[1:] < (now["trimmed_transaction"], now["trimmed_id"]):
        return Lost(Why.TRIMMED, fresh)
    events = [_event(row) for row in rows if row["id"] is not None]
    return Events(events, Position(origin, events[-1].transaction_id, events[-1].id)) if events else None


def _event(row: asyncpg.Record) -> Event:
    return Event(row["transaction_id"], row["id"], row["happened_at"], row["kind"], row["subject"])


async def _wait(woken: asyncio.Event, seconds: float) -> None:
    try:
        async with asyncio.timeout(seconds):
            await woken.wait()
    except TimeoutError:
        pass


async def _closed(connection: asyncpg.Connection[Any]) -> None:
    try:
        await connection.close(timeout=CONNECT_SECONDS)
    except _AWAY:
        connection.terminate()

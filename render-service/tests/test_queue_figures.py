"""The queue as Prometheus sees it: what waits, since when, and what nobody will try again by itself."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from artstore_core.errors import StorageUnavailable
from artstore_postgres.engine import make_engine
from prometheus_client import CollectorRegistry
from render_service.db.board import BoardRows
from render_service.db.engine import Database
from render_service.metrics import QueueFigures, QueueState
from render_support import Bench, picture, picture_row

NOW = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)
NAMES = ("jobs_waiting", "oldest_waiting_seconds", "dead_letters")


class Told:
    """The figures of a queue that is what `state` says, or away."""

    def __init__(self) -> None:
        self.state: QueueState | None = None
        self.now, self.registry = NOW, CollectorRegistry()
        self.figures = QueueFigures(self._count, lambda: self.now, self.registry)

    async def _count(self) -> QueueState:
        if self.state is None:
            raise StorageUnavailable("away")
        return self.state

    @property
    def values(self) -> list[float | None]:
        return [self.registry.get_sample_value(f"artstore_render_{name}") for name in NAMES]


async def test_the_oldest_grows_older_between_two_looks() -> None:
    told = Told()
    told.state = QueueState(waiting=3, oldest=NOW - timedelta(seconds=10), dead=2)
    await told.figures.refresh()
    assert told.values == [3, 10, 2]
    told.now += timedelta(seconds=7)
    assert told.values == [3, 17, 2]
    told.state = QueueState(waiting=0, oldest=None, dead=0)
    await told.figures.refresh()
    assert told.values == [0, 0, 0]


async def test_a_clock_that_is_behind_the_databases_makes_nothing_negative() -> None:
    told = Told()
    told.state = QueueState(waiting=1, oldest=NOW + timedelta(seconds=1), dead=0)
    await told.figures.refresh()
    assert told.values == [1, 0, 0]


async def test_the_database_is_counted_as_it_is(bench: Bench) -> None:
    row = picture_row(picture())
    await bench.registry.add(row)
    await bench.look(row.file_id)
    engine = make_engine(bench.database.url("artstore_render"), application="test", pool_size=1)
    database = Database(engine)
    try:
        board = BoardRows(database)
        waiting = await board.queue()
        assert (waiting.waiting, waiting.dead) == (1, 0)
        assert waiting.oldest is not None
        assert datetime.now(UTC) - waiting.oldest < timedelta(minutes=1)
        await bench.fetch("UPDATE render.jobs SET state = 'failed'")
        assert await board.queue() == QueueState(0, None, 1)
    finally:
        await database.close()

"""Connections to PostgreSQL as Prometheus sees them."""

from __future__ import annotations

from typing import Literal, cast

from prometheus_client import CollectorRegistry, Gauge, Histogram
from sqlalchemy.ext.asyncio import AsyncEngine
from sqlalchemy.pool import QueuePool

from artstore_postgres.engine import Waited

Which = Literal["primary", "replica"]


class DatabaseFigures:
    """One service's. `free` are those that can be had at once, open or not: none left means that requests wait."""

    def __init__(self, registry: CollectorRegistry) -> None:
        self._connections = Gauge(
            "artstore_database_pool_connections",
            "Connections that this process may have",
            ["database", "state"],
            registry=registry,
        )
        self._waits = Histogram(
            "artstore_database_wait_seconds",
            "Until a connection was there, or was given up",
            ["database"],
            registry=registry,
            buckets=(0.001, 0.005, 0.025, 0.1, 0.25, 0.5, 1, 2, 5),
        )

    def watch(self, engine: AsyncEngine, which: Which = "primary") -> Waited:
        """Shows this engine's connections. The result is for `Postgres(waited=…)`."""

        def used() -> int:
            return _pool(engine).checkedout()

        self._connections.labels(which, "used").set_function(used)
        self._connections.labels(which, "free").set_function(lambda: _pool(engine).size() - used())
        return self._waits.labels(which).observe


def _pool(engine: AsyncEngine) -> QueuePool:
    """That of now: an engine that was closed has another one."""
    return cast("QueuePool", engine.sync_engine.pool)

"""PgQueuer's queue on our own connections, so that a job is put in and taken out in the transaction of what it is about.

Of PgQueuer this uses the statements (`Queries`): enqueuing once, handing out by priority with SKIP LOCKED, heartbeats and the
taking over of what a dead worker left. Its own loop is not used, for reasons that docs/adr/0010 gives.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from datetime import timedelta
from typing import Final
from uuid import UUID

from pgqueuer.adapters.persistence.qb import QueryBuilderEnvironment, QueryQueueBuilder, QuerySchedulerBuilder
from pgqueuer.adapters.persistence.queries import Queries
from pgqueuer.core.tm import TaskManager
from pgqueuer.domain.settings import DBSettings
from pgqueuer.domain.types import JOB_STATUS, JobId, QueueEntrypoint, QueueManagerId
from pgqueuer.ports.driver import Driver, NotifyCallback
from pgqueuer.ports.repository import EntrypointExecutionParameter
from sqlalchemy.ext.asyncio import AsyncConnection

from render_service.jobs.ports import Taken

CHANNEL: Final = "artstore_render_queue"
_ENTRYPOINT: Final = "render"
_SETTINGS: Final = DBSettings(db_schema="render", channel=CHANNEL)
BUILDERS: Final = (QueryBuilderEnvironment(_SETTINGS), QueryQueueBuilder(_SETTINGS), QuerySchedulerBuilder(_SETTINGS))


class _OneConnection(Driver):
    """PgQueuer's driver over a connection that has a transaction already."""

    def __init__(self, connection: AsyncConnection) -> None:
        self._connection = connection
        self._shutdown = asyncio.Event()

    async def fetch(self, query: str, *args: object) -> list[dict[str, object]]:
        found = await self._connection.exec_driver_sql(query, args)
        return [dict(row) for row in found.mappings()]

    async def execute(self, query: str, *args: object) -> str:
        await self._connection.exec_driver_sql(query, args)
        return ""

    async def notify(self, channel: str, payload: str) -> None:
        await self.execute("SELECT pg_notify($1, $2)", channel, payload)

    async def add_listener(self, channel: str, callback: NotifyCallback) -> None:
        raise NotImplementedError("db.listening listens, on a connection of its own")

    @property
    def shutdown(self) -> asyncio.Event:
        return self._shutdown

    @property
    def tm(self) -> TaskManager:
        return TaskManager()

    async def __aenter__(self) -> _OneConnection:
        return self

    async def __aexit__(self, *_: object) -> None:
        return


class Queue:
    """The queue, within the transaction that `connection` has."""

    def __init__(self, connection: AsyncConnection) -> None:
        self._queries = Queries(_OneConnection(connection), *BUILDERS)

    async def add(self, jobs: Sequence[UUID], generations: Sequence[int], priorities: Sequence[int]) -> list[int]:
        """The numbers of the queue's rows, one a job. A row that waits already is kept; its priority may rise."""
        count = len(jobs)
        return list(
            await self._queries.enqueue(
                [_ENTRYPOINT] * count,
                [job.bytes for job in jobs],
                list(priorities),
                dedupe_key=[f"{job}/{number}" for job, number in zip(jobs, generations, strict=True)],
                on_conflict="update_priority",
            )
        )

    async def take(self, worker: UUID, count: int, silent: timedelta) -> list[Taken]:
        """At most `count` rows, highest priority first; among them those of workers that were silent for so long."""
        entrypoints = {QueueEntrypoint(_ENTRYPOINT): EntrypointExecutionParameter(concurrency_limit=0)}
        found = await self._queries.dequeue(count, entrypoints, QueueManagerId(worker), None, silent)
        return [Taken(row.id, UUID(bytes=row.payload)) for row in found if row.payload is not None]

    async def beat(self, numbers: Sequence[int]) -> None:
        await self._queries.update_heartbeat([JobId(number) for number in numbers])

    async def finish(self, number: int) -> None:
        await self._end([number], "successful")

    async def drop(self, numbers: Sequence[int]) -> None:
        """Takes rows out, whoever has them."""
        if numbers:
            await self._end(numbers, "canceled")

    async def again(self, number: int, delay: timedelta) -> None:
        """Not before `delay` is over."""
        await self._queries.driver.execute(self._queries.qbq.build_retry_job_query(), number, delay, None)

    async def _end(self, numbers: Sequence[int], how: JOB_STATUS) -> None:
        count = len(numbers)
        await self._queries.driver.execute(
            self._queries.qbq.build_log_job_query(), list(numbers), [how] * count, [None] * count
        )

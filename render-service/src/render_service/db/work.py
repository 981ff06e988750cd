"""jobs.ports.Jobs on PostgreSQL: the jobs as a worker sees them.

Whatever a run writes is bound to its id, which stands in the job for as long as the run has it. So a worker that was thought
dead, and another that took over, can both be at work, and only one of them can end it.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta
from uuid import UUID

from artstore_core.ids import new_id
from artstore_postgres.engine import Postgres
from sqlalchemy.ext.asyncio import AsyncConnection

from render_service.db.changes import job_of, remove, tell
from render_service.db.queries import query
from render_service.db.queue import Queue
from render_service.jobs.job import State
from render_service.jobs.ports import LostJob, Outcome, Run, Taken
from render_service.renditions.rendition import NewRendition

_ABANDONED_AFTER = timedelta(hours=1)
"""What a dead run wrote into the store is removed then; longer than any conversion takes between two publications."""


class WorkRows:
    def __init__(self, database: Postgres) -> None:
        self._database = database

    async def take(self, worker: UUID, count: int, silent: timedelta, mine: Sequence[int]) -> list[Run]:
        async with self._database.transaction() as connection:
            queue = Queue(connection)
            if mine:
                await queue.beat(mine)  # else, after the database was away, this worker would take them from itself
            taken = await queue.take(worker, count, silent)
        started = [await self._start(one) for one in taken]
        return [run for run in started if run is not None]

    async def _start(self, taken: Taken) -> Run | None:
        """In a transaction of its own: everybody locks a job first and its row of the queue then, or they would wait for each
        other. Should this worker die in between, the row is taken over like any other."""
        run_id = new_id()
        given = {"id": taken.job_id, "run": run_id, "queue_id": taken.number}
        async with self._database.transaction() as connection:
            row = (await connection.execute(query("start_run"), given)).one_or_none()
            if row is None:
                await Queue(connection).drop([taken.number])  # of a job that is gone, or has another row by now
                return None
            await tell(connection, [row.file_id])
        return Run(run_id, taken.number, job_of(row))

    async def beat(self, runs: Sequence[Run]) -> frozenset[UUID]:
        async with self._database.transaction() as connection:
            await Queue(connection).beat(sorted(run.number for run in runs))
            rows = await connection.execute(query("live_runs"), {"runs": [run.id for run in runs]})
            return frozenset(row.run for row in rows)

    async def progress(self, run: Run, done: int, total: int) -> None:
        given = {"id": run.job.id, "run": run.id, "done": done, "total": total}
        async with self._database.transaction() as connection:
            if (await connection.execute(query("note_progress"), given)).one_or_none() is None:
                raise LostJob
            await tell(connection, [run.job.file_id])

    async def announce(self, prefix: str) -> None:
        async with self._database.transaction() as connection:
            await remove(connection, [prefix], _ABANDONED_AFTER)

    async def discard(self, run: Run) -> None:
        async with self._database.transaction() as connection:
            await remove(connection, [f"{run.job.file_id}/{run.id}/"])

    async def publish(self, run: Run, prefix: str, made: Sequence[NewRendition]) -> None:
        file_id = run.job.file_id
        async with self._database.transaction() as connection:
            if not await _held(connection, run):
                raise LostJob
            given = {"file_id": file_id, "run_prefix": f"{file_id}/{run.id}/"}
            others = await connection.execute(query("forget_other_runs"), given)
            await remove(connection, [row.prefix for row in others])
            await self._add(connection, file_id, prefix, made)
            await connection.execute(query("keep_prefix"), {"prefix": prefix})
            await tell(connection, [file_id])

    async def _add(self, connection: AsyncConnection, file_id: UUID, prefix: str, made: Sequence[NewRendition]) -> None:
        # Sent again after a connection that broke at the commit, it must end the same.
        await connection.execute(query("forget_prefix"), {"file_id": file_id, "prefix": prefix})
        rows = [
            {
                "id": new_id(), "file_id": file_id, "name": one.name, "kind": one.kind.value, "page": one.page,
                "width": one.width, "height": one.height, "media_type": one.media_type, "prefix": prefix,
                "size": one.size, "checksum": one.checksum, "details": dict(one.details),
            }
            for one in made
        ]  # fmt: skip
        if rows:
            await connection.execute(query("add_rendition"), rows)

    async def end(self, run: Run, outcome: Outcome) -> None:
        again = outcome.again_in
        state = State.WAITING if again is not None else State.FAILED if outcome.reason is not None else State.READY
        given = {
            "id": run.job.id, "run": run.id, "state": state.value, "reason": outcome.reason,
            "permanent": outcome.permanent, "technical": outcome.technical,
            "queue_id": run.number if again is not None else None,
            "given_back": outcome.given_back,
        }  # fmt: skip
        async with self._database.transaction() as connection:
            if (await connection.execute(query("end_run"), given)).one_or_none() is None:
                raise LostJob
            queue = Queue(connection)
            await (queue.finish(run.number) if again is None else queue.again(run.number, again))
            await tell(connection, [run.job.file_id])


async def _held(connection: AsyncConnection, run: Run) -> bool:
    given = {"id": run.job.id, "run": run.id}
    return (await connection.execute(query("hold_run"), given)).one_or_none() is not None

"""Failed sign-ins in PostgreSQL."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from datetime import datetime

from sqlalchemy import delete, or_, select, text, update
from sqlalchemy.ext.asyncio import AsyncConnection

from admin_service.db.tables import sign_in_failures as table
from admin_service.identity.lockout import CHECKING, REMOVED_AT_ONCE, LockoutPolicy, Turn

_FORGOTTEN = (
    "CASE WHEN held.locked_until IS NULL THEN held.last_attempt_at <= :forgotten ELSE held.locked_until <= :now END"
)
# One statement: the row lock that the conflict takes is what makes the count right between replicas.
_COUNT = text(f"""
INSERT INTO sign_in_failures AS held (name_hash, attempts, last_attempt_at) VALUES (:name, 1, :now)
ON CONFLICT (name_hash) DO UPDATE SET
    attempts = CASE WHEN {_FORGOTTEN} THEN 1 ELSE held.attempts + 1 END,
    last_attempt_at = :now,
    locked_until = NULL
WHERE {_FORGOTTEN} OR held.attempts < :limit
RETURNING attempts""")


class FailureTable:
    """identity.lockout.FailureRows."""

    def __init__(self, connection: AsyncConnection) -> None:
        self._connection = connection

    async def count(self, name: bytes, policy: LockoutPolicy, now: datetime) -> Turn:
        values = {"name": name, "now": now, "forgotten": now - policy.lasts, "limit": policy.failures}
        counted = (await self._connection.execute(_COUNT, values)).first()
        # Asked in either case: a locked name must not be told from an open one by the time that an answer takes.
        query = select(table.c.locked_until, table.c.last_attempt_at).where(table.c.name_hash == name)
        row = (await self._connection.execute(query)).first()
        if counted is not None:
            return Turn.LOOK
        locked = row is not None and (row.locked_until is not None or row.last_attempt_at <= now - CHECKING)
        return Turn.LOCKED if locked else Turn.BUSY

    async def failed(self, name: bytes, policy: LockoutPolicy, now: datetime) -> bool:
        statement = (
            update(table)
            .where(table.c.name_hash == name, table.c.attempts >= policy.failures, table.c.locked_until.is_(None))
            .values(locked_until=now + policy.lasts)
        )
        return bool((await self._connection.execute(statement)).rowcount)

    async def give_back(self, name: bytes) -> None:
        open_row = (table.c.name_hash == name, table.c.locked_until.is_(None))
        emptied = delete(table).where(*open_row, table.c.attempts <= 1)
        if not (await self._connection.execute(emptied)).rowcount:
            statement = update(table).where(*open_row).values(attempts=table.c.attempts - 1)
            await self._connection.execute(statement)

    async def clear(self, name: bytes) -> None:
        await self._connection.execute(delete(table).where(table.c.name_hash == name))

    async def locked_until(
        self, names: Collection[bytes], policy: LockoutPolicy, now: datetime
    ) -> Mapping[bytes, datetime]:
        query = select(table).where(table.c.name_hash.in_(list(names)), table.c.attempts >= policy.failures)
        rows = (await self._connection.execute(query)).all()
        ends = {row.name_hash: row.locked_until or row.last_attempt_at + policy.lasts for row in rows}
        return {name: end for name, end in ends.items() if end > now}

    async def remove_old(self, policy: LockoutPolicy, now: datetime, *, at_most: int = REMOVED_AT_ONCE) -> None:
        old = (
            select(table.c.name_hash)
            .where(
                table.c.last_attempt_at < now - policy.lasts,
                or_(table.c.locked_until.is_(None), table.c.locked_until < now),
            )
            .order_by(table.c.last_attempt_at)
            .limit(at_most)
            # Rows that somebody else holds are somebody else's to remove: waiting for them could wait in a circle.
            .with_for_update(skip_locked=True)
            .cte("old")
        )
        await self._connection.execute(delete(table).where(table.c.name_hash.in_(select(old.c.name_hash))))

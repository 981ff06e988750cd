"""Idempotency keys in PostgreSQL."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from sqlalchemy import and_, case, delete, func, or_, select, update
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncConnection

from admin_service.db.tables import idempotency_keys as table
from admin_service.idempotency.keys import Attempt, Done, Taken, Yours


class IdempotencyTable:
    """idempotency.keys.IdempotencyRows."""

    def __init__(self, connection: AsyncConnection) -> None:
        self._connection = connection

    async def begin(
        self, attempt: Attempt, now: datetime, lease_until: datetime, expires_at: datetime
    ) -> Yours | Done | Taken:
        # One statement: the row lock that the conflict takes lets one of all who ask at once have the key.
        new = insert(table).values(
            principal=attempt.principal,
            key_hash=attempt.key_hash,
            file_id=attempt.file_id,
            holder=attempt.holder,
            lease_until=lease_until,
            expires_at=expires_at,
        )
        over, ours = table.c.expires_at <= now, table.c.holder == attempt.holder
        statement = new.on_conflict_do_update(
            index_elements=["principal", "key_hash"],
            set_={
                "file_id": case((over, new.excluded.file_id), else_=table.c.file_id),
                "again": case((over, False), (ours, table.c.again), else_=True),
                "holder": new.excluded.holder,
                "lease_until": new.excluded.lease_until,
                "expires_at": new.excluded.expires_at,
                "fingerprint": None,
                "answer": None,
            },
            where=or_(over, and_(table.c.fingerprint.is_(None), or_(ours, table.c.lease_until <= now))),
        ).returning(table.c.file_id, table.c.again)
        if (row := (await self._connection.execute(statement)).one_or_none()) is not None:
            return Yours(row.file_id, row.again, lease_until)
        return await self._others(attempt)

    async def _others(self, attempt: Attempt) -> Done | Taken:
        row = (await self._connection.execute(select(table).where(*_key(attempt)))).one_or_none()
        if row is None:
            return Taken(None)
        if row.fingerprint is None:
            return Taken(row.lease_until)
        return Done(row.file_id, row.fingerprint, row.answer)

    async def finish(self, attempt: Attempt, fingerprint: bytes, answer: Mapping[str, Any] | None) -> bool:
        kept = None if answer is None else dict(answer)
        values = {"file_id": attempt.file_id, "fingerprint": fingerprint, "answer": kept}
        statement = update(table).where(*_held(attempt)).values(values)
        return bool((await self._connection.execute(statement)).rowcount)

    async def give_up(self, attempt: Attempt, until: datetime, *, unknown: bool) -> None:
        held = _held(attempt)
        if not unknown:
            await self._connection.execute(delete(table).where(*held, ~table.c.again))
        kept = update(table).where(*held).values(again=True, lease_until=func.least(table.c.lease_until, until))
        await self._connection.execute(kept)


def _key(attempt: Attempt) -> tuple[Any, ...]:
    return table.c.principal == attempt.principal, table.c.key_hash == attempt.key_hash


def _held(attempt: Attempt) -> tuple[Any, ...]:
    return *_key(attempt), table.c.holder == attempt.holder, table.c.fingerprint.is_(None)

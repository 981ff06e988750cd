"""What tests of the signing keys' life share: times, a clock that the test turns, rotators of one database."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

from admin_service.db.engine import Database as Store
from admin_service.db.tables import audit_log, jwt_keys
from admin_service.identity.keys import KeyVault, SigningKey
from admin_service.identity.rotation import RETIRING_MARGIN, KeyRotation, KeyStatus, Timetable
from admin_support import KEY
from artstore_auth.verify import LEEWAY_SECONDS
from artstore_postgres.engine import make_engine
from artstore_testing.postgres import Database
from sqlalchemy import delete, func, select
from sqlalchemy.ext.asyncio import AsyncEngine

START = datetime(2026, 11, 22, 12, 0, tzinfo=UTC)
PUBLISH = timedelta(seconds=360)
TOKEN = timedelta(seconds=900)
MONTH = timedelta(days=30)
RETIRING = TOKEN + timedelta(seconds=LEEWAY_SECONDS) + RETIRING_MARGIN
"""From the next key's first signature to the end of this one."""
TIMES = Timetable(publish=PUBLISH, token=TOKEN, every=MONTH)


def signing_key(kid: str, active_from: datetime, *, withdrawn_at: datetime | None = None) -> SigningKey:
    """One of which only the times count."""
    return SigningKey(kid, {}, None, active_from, active_from - PUBLISH, withdrawn_at)


@dataclass
class Bench:
    """An empty table of keys on a real PostgreSQL, and as many replicas as a test makes.

    `first_start`: the number of its last entry in the audit log.
    """

    engine: AsyncEngine
    store: Store
    first_start: int
    now: datetime = START
    told: int = field(default=0)

    def clock(self) -> datetime:
        return self.now

    def rotation(self, timetable: Timetable = TIMES, vault: KeyVault | None = None) -> KeyRotation:
        return KeyRotation(self.store.transaction, vault or KeyVault(KEY), timetable, self.clock, self._changed)

    async def _changed(self) -> None:
        self.told += 1

    async def states(self) -> dict[str, KeyStatus]:
        """kid → where it stands."""
        return {life.key.kid: life.status for life in (await self.rotation().lives()).all}

    async def keys(self) -> list[SigningKey]:
        async with self.store.transaction() as rows:
            return list(await rows.keys.every())

    async def audit(self) -> list[Mapping[str, Any]]:
        """actor, action, target and details of each entry about keys since the first start, in order."""
        columns = (audit_log.c.actor, audit_log.c.action, audit_log.c.target, audit_log.c.details)
        wanted = (audit_log.c.action.like("jwt_key.%"), audit_log.c.id > self.first_start)
        statement = select(*columns).where(*wanted).order_by(audit_log.c.id)
        async with self.engine.connect() as connection:
            return [dict(row) for row in (await connection.execute(statement)).mappings()]


@asynccontextmanager
async def new_bench(database: Database) -> AsyncIterator[Bench]:
    engine = make_engine(database.url("artstore_admin"), application="test", pool_size=8)
    async with engine.begin() as connection:
        await connection.execute(delete(jwt_keys))
        first_start = (await connection.execute(select(func.max(audit_log.c.id)))).scalar_one()
    store = Store(engine)
    yield Bench(engine, store, first_start)
    await store.close()

"""The way to PostgreSQL: one transaction a use case."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from artstore_core.errors import AdminUnavailable
from artstore_postgres.engine import Postgres, Waited
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from admin_service.db.accounts import AccountTable, UsageTable
from admin_service.db.audit import AuditTable
from admin_service.db.elements import ElementTable
from admin_service.db.failures import FailureTable
from admin_service.db.files import FileTable
from admin_service.db.idempotency import IdempotencyTable
from admin_service.db.keys import KeyTable
from admin_service.db.outbox import OutboxTable
from admin_service.db.quotas import QuotaTable
from admin_service.db.sessions import SessionTable
from admin_service.db.standing import RevokedTable, StandingTable
from admin_service.db.syncs import HistoryTable
from admin_service.db.totals import TotalTable
from admin_service.db.users import UserTable

POOL_SIZE = 10


class Transaction:
    """Everything admin keeps, within one transaction."""

    def __init__(self, connection: AsyncConnection) -> None:
        self.accounts = AccountTable(connection)
        self.audit = AuditTable(connection)
        self.elements = ElementTable(connection)
        self.failures = FailureTable(connection)
        self.files = FileTable(connection)
        self.idempotency = IdempotencyTable(connection)
        self.keys = KeyTable(connection)
        self.quotas = QuotaTable(connection)
        self.revoked = RevokedTable(connection)
        self.sessions = SessionTable(connection)
        self.syncs = HistoryTable(connection)
        self.totals = TotalTable(connection)
        self.usage = UsageTable(connection)
        self.users = UserTable(connection)


def _away() -> AdminUnavailable:
    return AdminUnavailable("The database cannot be reached now")


class Database:
    """store.Store. All raise AdminUnavailable when PostgreSQL is away."""

    def __init__(
        self, engine: AsyncEngine, for_readiness: AsyncEngine | None = None, waited: Waited = lambda _: None
    ) -> None:
        """`for_readiness`: a connection apart, so that requests which hold all the others make no replica look dead."""
        self._postgres = Postgres(engine, away=_away, waited=waited)
        # On the same connections, but with no transaction around what is one statement anyway.
        self._single = Postgres(
            engine.execution_options(isolation_level="AUTOCOMMIT"),
            away=_away,
            waited=waited,
        )
        self._apart = Postgres(for_readiness or engine, away=_away)
        self.probe = self._apart.probe

    async def warm(self) -> None:
        """Before the first request: see Postgres.warm."""
        await self._postgres.warm(POOL_SIZE)

    async def close(self) -> None:
        await self._postgres.close()
        await self._apart.close()

    @asynccontextmanager
    async def transaction(self) -> AsyncIterator[Transaction]:
        async with self._postgres.transaction() as connection:
            yield Transaction(connection)

    @asynccontextmanager
    async def key_rows(self) -> AsyncIterator[KeyTable]:
        async with self.transaction() as transaction:
            yield transaction.keys

    @asynccontextmanager
    async def standing_rows(self) -> AsyncIterator[StandingTable]:
        async with self._single.reading() as connection:
            yield StandingTable(connection)

    @asynccontextmanager
    async def element_rows(self) -> AsyncIterator[ElementTable]:
        async with self.transaction() as transaction:
            yield transaction.elements

    @asynccontextmanager
    async def outbox_rows(self) -> AsyncIterator[OutboxTable]:
        async with self._postgres.transaction() as connection:
            yield OutboxTable(connection)

    @asynccontextmanager
    async def sync_history(self) -> AsyncIterator[HistoryTable]:
        async with self.transaction() as transaction:
            yield transaction.syncs

"""The way to PostgreSQL: one transaction a use case."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from artstore_core.errors import AdminUnavailable
from artstore_postgres.engine import Postgres
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from admin_service.db.accounts import AccountTable
from admin_service.db.audit import AuditTable
from admin_service.db.elements import ElementTable
from admin_service.db.files import FileTable
from admin_service.db.keys import KeyTable
from admin_service.db.users import UserTable

POOL_SIZE = 10


class Transaction:
    """Everything admin keeps, within one transaction."""

    def __init__(self, connection: AsyncConnection) -> None:
        self.accounts = AccountTable(connection)
        self.audit = AuditTable(connection)
        self.elements = ElementTable(connection)
        self.files = FileTable(connection)
        self.keys = KeyTable(connection)
        self.users = UserTable(connection)


class Database:
    """store.Store. All raise AdminUnavailable when PostgreSQL is away."""

    def __init__(self, engine: AsyncEngine) -> None:
        self._postgres = Postgres(engine, away=lambda: AdminUnavailable("The database cannot be reached now"))
        self.probe = self._postgres.probe
        self.close = self._postgres.close

    @asynccontextmanager
    async def transaction(self) -> AsyncIterator[Transaction]:
        async with self._postgres.transaction() as connection:
            yield Transaction(connection)

    @asynccontextmanager
    async def key_rows(self) -> AsyncIterator[KeyTable]:
        async with self.transaction() as transaction:
            yield transaction.keys

    @asynccontextmanager
    async def element_rows(self) -> AsyncIterator[ElementTable]:
        async with self.transaction() as transaction:
            yield transaction.elements

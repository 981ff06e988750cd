"""Idempotency keys as the real admin keeps them, on PostgreSQL, and requests that carry them."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID, uuid4

import asyncpg
import httpx
from admin_service.db.engine import Database as Store
from admin_service.http import idempotency
from artstore_auth.guard import Guard
from artstore_auth.verify import TokenVerifier
from artstore_core.ids import new_id
from artstore_core.scopes import INTERNAL_AUDIENCE, Scope, element_audience
from artstore_postgres.engine import make_engine
from artstore_testing.postgres import Database
from artstore_testing.tokens import TokenIssuer
from ingester_support import ElementProcess, Ingester, RealPart, body, file_part

OWNER = "sa:sa_test_0001"


def keys_of_admin(database: Database, issuer: TokenIssuer) -> RealPart:
    store = Store(make_engine(database.url(), application="test", pool_size=5))
    guard = Guard(TokenVerifier(issuer.keys, issuer=issuer.issuer, audiences=[INTERNAL_AUDIENCE]))
    router = idempotency.router(store, guard, lambda: datetime.now(UTC), timedelta(days=1))
    return RealPart(router, store.close)


def keyed(key: str = "k-1") -> dict[str, str]:
    return {"Idempotency-Key": f'"{key}"'}


@dataclass
class Keys:
    """Reaches into admin's table, to play one who died."""

    ingester: Ingester
    database: Database

    async def send(self, content: bytes = b"%PDF-1.7 hello", key: str = "k-1", *parts: bytes) -> httpx.Response:
        return await self.ingester.send(body(*parts, file_part(content)), **keyed(key))

    async def dead(self, key: str = "k-1", *, over: bool = True) -> UUID:
        """Somebody began with this key and died; its lease is over. Gives the file's id."""
        file_id = new_id()
        await self.sql(
            "INSERT INTO idempotency_keys (principal, key_hash, file_id, holder, lease_until, expires_at)"
            " VALUES ($1, $2, $3, $4, now() + $5 * interval '1 s', now() + interval '1 day')",
            OWNER,
            hashlib.sha256(key.encode()).digest(),
            file_id,
            uuid4(),
            -1.0 if over else 30.0,
        )
        return file_id

    async def sql(self, statement: str, *values: Any) -> Any:
        connection = await asyncpg.connect(self.database.url())
        try:
            return await connection.fetchval(statement, *values)
        finally:
            await connection.close()


def at_element(ingester: Ingester, element: ElementProcess) -> httpx.AsyncClient:
    """With an ingester's rights there."""
    token = ingester.issuer.bearer([Scope.FILES_WRITE], audience=element_audience(element.storage_id))
    return httpx.AsyncClient(base_url=element.url, headers=token, timeout=30)

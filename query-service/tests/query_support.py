"""What query's tests share: rows of admin's registry, and a client for the running service."""

from __future__ import annotations

import asyncio
import base64
import json
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from uuid import UUID

import asyncpg
import httpx
from admin_service.db.migrate import MIGRATIONS as ADMIN_MIGRATIONS
from artstore_core.ids import new_id
from artstore_core.modes import Mode
from artstore_testing.postgres import Database, PostgresServer
from artstore_testing.servers import running_app, wait_until_ready
from artstore_testing.tokens import TokenIssuer
from artstore_tickets import element_key, encode_key
from asgi_lifespan import LifespanManager
from pydantic import SecretStr
from query_service.config import Settings
from query_service.db.migrate import MIGRATIONS
from query_service.main import build
from storage_element.config import Settings as ElementSettings
from storage_element.disk.filesystem import RealFileSystem
from storage_element.disk.root import DataRoot
from storage_element.main import build as build_element

MASTER_KEY = bytes(range(32))
NOW = datetime(2026, 11, 21, 12, tzinfo=UTC)


@dataclass
class Row:
    """A row of `files`; what a test does not name is ordinary."""

    original_filename: str = "a.pdf"
    storage_element_id: str = "se-rw-1"
    file_id: UUID = field(default_factory=new_id)
    content_type: str = "application/pdf"
    size: int = 100
    checksum: str = "0" * 64
    uploaded_by: str = "sa:sa_test_0001"
    uploaded_at: datetime = NOW
    description: str | None = None
    tags: list[str] = field(default_factory=list)
    metadata: dict[str, Any] = field(default_factory=dict)
    status: str = "active"
    retention_policy: str = "permanent"
    ttl_days: int | None = None
    expires_at: datetime | None = None
    revision: int = 1


def temporary(name: str, *, days_left: int, status: str = "active") -> Row:
    expires_at = datetime.now(UTC) + timedelta(days=days_left)
    return Row(name, status=status, retention_policy="temporary", ttl_days=30, expires_at=expires_at)


@dataclass
class Registry:
    """Admin's tables, written to as their owner."""

    database: Database

    async def element(self, storage_id: str, url: str, mode: str = "rw") -> None:
        await self._execute(
            "INSERT INTO storage_elements (storage_id, url, status, mode, created_at, updated_at)"
            " VALUES ($1, $2, 'online', $3, now(), now())"
            " ON CONFLICT (storage_id) DO UPDATE SET url = excluded.url, mode = excluded.mode",
            storage_id,
            url,
            mode,
        )

    async def add(self, *rows: Row) -> None:
        for row in rows:
            values = vars(row) | {"metadata": json.dumps(row.metadata)}
            names = ", ".join(values)
            places = ", ".join(f"${number}" for number in range(1, len(values) + 1))
            await self._execute(f"INSERT INTO files ({names}) VALUES ({places})", *values.values())

    async def status(self, file_id: UUID) -> str:
        connection = await asyncpg.connect(self.database.url())
        try:
            return str(await connection.fetchval("SELECT status FROM files WHERE file_id = $1", file_id))
        finally:
            await connection.close()

    async def change(self, statement: str, *values: Any) -> None:
        await self._execute(statement, *values)

    async def _execute(self, statement: str, *values: Any) -> None:
        connection = await asyncpg.connect(self.database.url())
        try:
            await connection.execute(statement, *values)
        finally:
            await connection.close()


@dataclass
class Query:
    """A running query-service and a client for it."""

    http: httpx.AsyncClient
    registry: Registry
    issuer: TokenIssuer

    async def search(self, expect: int = 200, **body: Any) -> dict[str, Any]:
        answer = await self.http.post("/api/v1/search", json=body, headers=self.issuer.bearer())
        assert answer.status_code == expect, answer.text
        found: dict[str, Any] = answer.json()
        return found

    async def names(self, **body: Any) -> list[str]:
        return [item["original_filename"] for item in (await self.search(**body))["items"]]

    async def get(self, path: str, **headers: str) -> httpx.Response:
        return await self.http.get(path, headers=self.issuer.bearer() | headers)


def migrate(postgres: PostgresServer, database: Database) -> None:
    ADMIN_MIGRATIONS.upgrade(database.url())
    MIGRATIONS.upgrade(database.url())
    postgres.allow_login("artstore_admin", "artstore_query", "artstore_render")


def settings_for(database: Database, issuer: TokenIssuer, directory: Path) -> Settings:
    """Admin is away: its keys come from the cache on disk."""
    cache = directory / "jwks.json"
    cache.write_text(json.dumps(issuer.jwks()))
    return Settings(
        issuer=issuer.issuer,
        jwks_url="http://127.0.0.1:1/jwks.json",
        jwks_cache_file=cache,
        admin_url="http://127.0.0.1:1",
        client_id="sa_query_1",
        client_secret=SecretStr("secret"),
        database_url=SecretStr(database.url("artstore_query")),
        ticket_master_key=SecretStr(base64.b64encode(MASTER_KEY).decode()),
        retry_seconds=0.3,
        loose_seconds=60,  # not a test of how fast this machine is
    )


@asynccontextmanager
async def running_http(settings: Settings) -> AsyncIterator[httpx.AsyncClient]:
    async with (
        LifespanManager(build(settings)) as manager,
        httpx.AsyncClient(transport=httpx.ASGITransport(manager.app), base_url="http://query") as http,
    ):
        yield http


@asynccontextmanager
async def running_query(settings: Settings, database: Database, issuer: TokenIssuer) -> AsyncIterator[Query]:
    registry = Registry(database)
    await registry.element("se-rw-1", "http://127.0.0.1:1")
    async with running_http(settings) as http:
        yield Query(http, registry, issuer)


def element_settings(storage_id: str, directory: Path, issuer: str) -> ElementSettings:
    """It takes tickets made with MASTER_KEY."""
    return ElementSettings(
        storage_id=storage_id,
        data_dir=directory,
        tls_cert_file=directory / "unused.crt",
        tls_key_file=directory / "unused.key",
        ticket_key=SecretStr(encode_key(element_key(MASTER_KEY, storage_id))),
        issuer=issuer,
        jwks_url="https://unused.test/jwks.json",
    )


def initialised(storage_id: str, directory: Path, mode: Mode = Mode.RW) -> None:
    DataRoot(directory, RealFileSystem(), storage_id, lambda *_: None).initialise(mode, datetime.now(UTC))


@contextmanager
def running_element(storage_id: str, directory: Path, issuer: TokenIssuer, *, mode: Mode = Mode.RW) -> Iterator[str]:
    """A real storage element in a thread; gives its url."""
    initialised(storage_id, directory, mode)
    with running_app(build_element(element_settings(storage_id, directory, issuer.issuer), keys=issuer.keys)) as url:
        wait_until_ready(url)
        yield url


async def eventually(condition: Callable[[], Awaitable[bool]], seconds: float = 10, every: float = 0.02) -> None:
    """As `until`, for what must be asked for."""
    async with asyncio.timeout(seconds):
        while True:
            if await condition():
                return
            await asyncio.sleep(every)


async def until(condition: Callable[[], bool], seconds: float = 10, every: float = 0.02) -> None:
    """Waits for what another thread is about to do."""
    for _ in range(int(seconds / every)):
        if condition():
            return
        await asyncio.sleep(every)
    raise AssertionError("it did not happen in time")

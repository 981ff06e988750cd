"""Admin on a real, migrated PostgreSQL."""

from __future__ import annotations

import asyncio
import base64
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from pathlib import Path

import httpx
import pytest
from admin_people import ADMIN_PASSWORD, PASSWORD, MovedClock, People
from admin_service.config import Settings
from admin_service.db.engine import Database as Store
from admin_service.db.migrate import MIGRATIONS
from admin_service.main import build
from admin_support import GIVEN, ISSUER, KEY, Admin, run_bootstrap
from artstore_postgres.engine import make_engine
from artstore_stack.tls import LocalCa
from artstore_testing.postgres import Database, PostgresServer
from asgi_lifespan import LifespanManager
from console_support import Browser, browser
from element_world import World, running_world
from pydantic import SecretStr


@pytest.fixture
def settings(migrated: Database) -> Settings:
    return Settings(
        database_url=SecretStr(migrated.url("artstore_admin")),
        issuer=ISSUER,
        key_encryption_key=SecretStr(base64.b64encode(KEY).decode()),
        element_poll_seconds=3600,
    )


@pytest.fixture(scope="session")
def first_start(postgres: PostgresServer, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Database]:
    """A database after `migrate` and `bootstrap`, for tests to copy."""
    with postgres.database() as database:
        MIGRATIONS.upgrade(database.url())
        postgres.allow_login("artstore_admin", "artstore_query", "artstore_render")
        asyncio.run(_first_start(database, tmp_path_factory.mktemp("bootstrap")))
        yield database


async def _first_start(database: Database, directory: Path) -> None:
    store = Store(make_engine(database.url("artstore_admin"), application="test", pool_size=1))
    await run_bootstrap(store, GIVEN, directory)
    await store.close()


@pytest.fixture
def migrated(postgres: PostgresServer, first_start: Database) -> Iterator[Database]:
    with postgres.database(first_start) as database:
        yield database


@pytest.fixture
async def admin(settings: Settings) -> AsyncIterator[Admin]:
    store = Store(make_engine(settings.database_url.get_secret_value(), application="test", pool_size=2))
    app = build(settings)
    async with (
        LifespanManager(app) as manager,
        httpx.AsyncClient(transport=httpx.ASGITransport(manager.app), base_url=ISSUER) as http,
    ):
        yield Admin(http, store)
    await store.close()


@pytest.fixture
async def world(settings: Settings, tmp_path: Path) -> AsyncIterator[World]:
    """Admin beside real storage elements."""
    async with running_world(settings, tmp_path) as made:
        yield made


@pytest.fixture
def clock() -> MovedClock:
    return MovedClock()


@pytest.fixture
async def replicas(settings: Settings, clock: MovedClock) -> AsyncIterator[tuple[People, People]]:
    """Two apps on one database and one clock."""
    async with _replica(settings, clock) as one, _replica(settings, clock) as other:
        yield one, other


@pytest.fixture
async def people(settings: Settings, clock: MovedClock) -> AsyncIterator[People]:
    async with _replica(settings, clock) as one:
        yield one


@asynccontextmanager
async def _replica(settings: Settings, clock: MovedClock) -> AsyncIterator[People]:
    store = Store(make_engine(settings.database_url.get_secret_value(), application="test", pool_size=2))
    async with (
        LifespanManager(build(settings, clock)) as manager,
        httpx.AsyncClient(transport=httpx.ASGITransport(manager.app), base_url=ISSUER) as http,
    ):
        yield People(http, store, manager.app)
    await store.close()


@pytest.fixture
async def visitor(people: People) -> AsyncIterator[Browser]:
    """Signed in at the console, as admin."""
    async with browser(people.http) as one:
        await one.sign_in("admin", ADMIN_PASSWORD)
        yield one


@pytest.fixture
async def reader(people: People) -> AsyncIterator[Browser]:
    """The same, as one who may only look."""
    await people.create("reader")
    async with browser(people.http) as one:
        await one.sign_in("reader", PASSWORD)
        yield one


@pytest.fixture(scope="session")
def local_ca(tmp_path_factory: pytest.TempPathFactory) -> LocalCa:
    return LocalCa(tmp_path_factory.mktemp("tls"))


@pytest.fixture(scope="session")
def ca_file(local_ca: LocalCa) -> Path:
    """A single certificate: to load all of the system's takes longer than all else that an element does to start."""
    local_ca.server("element")
    return local_ca.certificate

"""Admin on a real, migrated PostgreSQL."""

from __future__ import annotations

import base64
from collections.abc import AsyncIterator
from pathlib import Path

import httpx
import pytest
from admin_service.config import Settings
from admin_service.db.engine import Database as Store
from admin_service.db.engine import make_engine
from admin_service.db.migrate import upgrade
from admin_service.main import build
from admin_support import GIVEN, ISSUER, KEY, Admin, run_bootstrap
from artstore_testing.postgres import Database, PostgresServer
from asgi_lifespan import LifespanManager
from pydantic import SecretStr


@pytest.fixture
def settings(migrated: Database) -> Settings:
    return Settings(
        database_url=SecretStr(migrated.url("artstore_admin")),
        issuer=ISSUER,
        key_encryption_key=SecretStr(base64.b64encode(KEY).decode()),
        element_poll_seconds=3600,
    )


@pytest.fixture
def migrated(postgres: PostgresServer, database: Database) -> Database:
    upgrade(database.url())
    postgres.allow_login("artstore_admin", "artstore_query", "artstore_render")
    return database


@pytest.fixture
async def admin(settings: Settings, tmp_path: Path) -> AsyncIterator[Admin]:
    store = Store(make_engine(settings.database_url.get_secret_value()))
    await run_bootstrap(store, GIVEN, tmp_path)
    app = build(settings)
    async with (
        LifespanManager(app) as manager,
        httpx.AsyncClient(transport=httpx.ASGITransport(manager.app), base_url=ISSUER) as http,
    ):
        yield Admin(http, store)
    await store.close()

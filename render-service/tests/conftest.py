"""Render on a real PostgreSQL with admin's tables, beside a real storage element."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest
from artstore_testing.postgres import Database, PostgresServer
from artstore_testing.tokens import TokenIssuer
from query_support import running_element
from render_service.config import Settings
from render_support import Bench, PictureDecoder, migrate, running_render, settings_for


@pytest.fixture(scope="session")
def template(postgres: PostgresServer) -> Iterator[Database]:
    """Migrated once: a copy takes a tenth of the time."""
    with postgres.database() as made:
        migrate(postgres, made)
        yield made


@pytest.fixture
def migrated(postgres: PostgresServer, template: Database) -> Iterator[Database]:
    with postgres.database(template) as made:
        yield made


@pytest.fixture(scope="session")
def element(issuer: TokenIssuer, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The url of `se-rw-1`, which keeps what the tests of this worker put there."""
    with running_element("se-rw-1", tmp_path_factory.mktemp("element"), issuer) as url:
        yield url


@pytest.fixture
def settings(migrated: Database, issuer: TokenIssuer, tmp_path: Path) -> Settings:
    return settings_for(migrated, issuer, tmp_path)


@pytest.fixture
async def bench(settings: Settings, migrated: Database, issuer: TokenIssuer, element: str) -> AsyncIterator[Bench]:
    async with running_render(settings, migrated, issuer) as running:
        await running.registry.element("se-rw-1", element)
        yield running


@pytest.fixture
def decoder() -> PictureDecoder:
    return PictureDecoder()

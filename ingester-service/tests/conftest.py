"""Ingester on a real socket, with real elements and an admin that can be told to fail."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import httpx
import pytest
from admin_service.db.migrate import MIGRATIONS
from artstore_kit.protocol import BoundedHttpProtocol
from artstore_testing.postgres import Database, PostgresServer
from artstore_testing.servers import running_app
from artstore_testing.tokens import TokenIssuer
from artstore_tickets import encode_key
from idempotency_support import Keys, keys_of_admin
from ingester_service.config import Settings
from ingester_service.main import build
from ingester_service.upload.quotas import QuotaPace
from ingester_service.upload.registration import Patience
from ingester_support import MASTER_KEY, AdminStub, ElementProcess, Ingester, RealPart
from pydantic import SecretStr
from tus_support import Tus

IMPATIENT = Patience(now=(0.01,), first_pause=0.02, longest_pause=0.1)


@pytest.fixture
def stack() -> Iterator[ExitStack]:
    with ExitStack() as entered:
        yield entered


@pytest.fixture
def limits() -> dict[str, Any]:
    """Settings that a test file wants otherwise than they are by default."""
    return {}


@pytest.fixture(scope="session")
def migrated(postgres: PostgresServer) -> Iterator[Database]:
    with postgres.database() as made:
        MIGRATIONS.upgrade(made.url())
        yield made


@pytest.fixture
def admins(postgres: PostgresServer, migrated: Database) -> Iterator[Database]:
    """Admin's database, for tests that want the real thing."""
    with postgres.database(migrated) as made:
        yield made


@pytest.fixture
def real_admin(request: pytest.FixtureRequest, issuer: TokenIssuer) -> RealPart | None:
    """Its idempotency keys, for tests that ask for `keys`."""
    if "keys" not in request.fixturenames:
        return None
    return keys_of_admin(request.getfixturevalue("admins"), issuer)


@pytest.fixture
def keys(ingester: Ingester, admins: Database) -> Keys:
    return Keys(ingester, admins)


@pytest.fixture
async def ingester(
    issuer: TokenIssuer, stack: ExitStack, tmp_path: Path, limits: dict[str, Any], real_admin: RealPart | None
) -> AsyncIterator[Ingester]:
    admin = AdminStub(issuer, real=real_admin)
    admin_url = stack.enter_context(running_app(admin.app()))
    given: dict[str, Any] = {
        "issuer": issuer.issuer,
        "jwks_url": f"{admin_url}/.well-known/jwks.json",
        "admin_url": admin_url,
        "client_id": "sa_ingester_1",
        "client_secret": SecretStr("secret"),
        "ticket_master_key": SecretStr(encode_key(MASTER_KEY)),
        "elements_cache_seconds": 0,
        "hold_seconds": 0.2,
    }

    # On a socket, not within this process's own loop: back-pressure and disconnects are what is tested.
    def replica() -> str:
        app = build(Settings(**given | limits), IMPATIENT, QuotaPace(unlimited=0.5))
        return stack.enter_context(running_app(app, protocol=BoundedHttpProtocol))

    async with httpx.AsyncClient(base_url=replica(), timeout=30) as http:
        yield Ingester(http, admin, issuer, stack, tmp_path, replica)


@pytest.fixture
def rw(ingester: Ingester) -> ElementProcess:
    return ingester.element("se-rw-1")


@pytest.fixture
def tus(ingester: Ingester) -> Tus:
    return Tus(ingester)

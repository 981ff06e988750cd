"""The wiring of query-service, and nothing else."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime

from artstore_auth.guard import Guard
from artstore_auth.keys import RemoteKeys
from artstore_auth.verify import TokenVerifier
from artstore_core.scopes import PUBLIC_AUDIENCE
from artstore_kit.app import ServiceInfo, create_app
from artstore_kit.health import Check
from artstore_kit.outgoing import outgoing_client
from artstore_kit.tracing import Tracing
from artstore_postgres.engine import make_engine
from fastapi import FastAPI

from query_service import __version__
from query_service.clients.elements import ElementSource
from query_service.config import Settings
from query_service.db.engine import ISOLATION, POOL_SIZE, SETTINGS, Database
from query_service.db.files import FileRows
from query_service.db.search import SearchIndex
from query_service.files.download import Downloads
from query_service.files.lookup import Clock
from query_service.files.readiness import StorageProbe
from query_service.http import files, search

SERVICE = ServiceInfo(
    name="query-service",
    version=__version__,
    title="ArtStore query-service",
    description="Finds files and gives them back.",
)
MAX_DOWNLOADS_AT_ONCE = 1000
"""Connections to elements; a download beyond waits three seconds for one, then hears 503."""


def system_clock() -> datetime:
    return datetime.now(UTC)


def build(settings: Settings, clock: Clock = system_clock) -> FastAPI:
    """The app. Nothing is connected before it starts."""
    tracing = Tracing(SERVICE.name, SERVICE.version)
    engine = make_engine(
        settings.database_url.get_secret_value(),
        application=SERVICE.name,
        pool_size=POOL_SIZE,
        statement_seconds=settings.statement_seconds,
        settings=SETTINGS,
        tracer_provider=tracing.provider,
        isolation_level=ISOLATION,
    )
    database = Database(engine)
    plain = outgoing_client(tracing, ca_file=settings.ca_file)
    storage = outgoing_client(tracing, ca_file=settings.ca_file, max_connections=MAX_DOWNLOADS_AT_ONCE)

    keys = RemoteKeys(settings.jwks_url, plain, cache_file=settings.jwks_cache_file)
    guard = Guard(TokenVerifier(keys, issuer=settings.issuer, audiences=[PUBLIC_AUDIENCE]))
    rows = FileRows(database)
    elements = ElementSource(storage, settings.ticket_master_bytes)

    @asynccontextmanager
    async def lifespan() -> AsyncIterator[None]:
        yield
        for client in (storage, plain):
            await client.aclose()
        await database.close()

    return create_app(
        SERVICE,
        routers=[
            files.router(Downloads(rows, elements, clock), guard),
            search.router(SearchIndex(database), guard),
        ],
        checks=[
            Check("postgresql", database.probe),
            Check("signing_keys", keys.probe),
            Check("storage_elements", StorageProbe(rows.elements, elements.probe)),
        ],
        lifespan=lifespan,
        tracing=tracing,
    )

"""The wiring of render-service, and nothing else."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from artstore_auth.keys import RemoteKeys
from artstore_core.errors import AdminUnavailable
from artstore_kit.app import ServiceInfo, create_app
from artstore_kit.health import Check
from artstore_kit.outgoing import outgoing_client
from artstore_kit.tracing import Tracing
from artstore_postgres.engine import Postgres, make_engine
from fastapi import FastAPI

from render_service import __version__
from render_service.config import Settings

SERVICE = ServiceInfo(
    name="render-service",
    version=__version__,
    title="ArtStore render-service",
    description="Makes previews of files.",
)

POOL_SIZE = 5


def build(settings: Settings) -> FastAPI:
    """The app. Nothing is connected before it starts."""
    tracing = Tracing(SERVICE.name, SERVICE.version)
    engine = make_engine(
        settings.database_url.get_secret_value(),
        application=SERVICE.name,
        pool_size=POOL_SIZE,
        tracer_provider=tracing.provider,
    )
    database = Postgres(engine, away=lambda: AdminUnavailable("The database cannot be reached now"))
    plain = outgoing_client(tracing, ca_file=settings.ca_file)
    keys = RemoteKeys(settings.jwks_url, plain, cache_file=settings.jwks_cache_file)

    @asynccontextmanager
    async def lifespan() -> AsyncIterator[None]:
        yield
        await plain.aclose()
        await database.close()

    return create_app(
        SERVICE,
        routers=[],
        checks=[
            # Required: its job queue is there, and without the queue there is nothing that it could do (A6).
            Check("postgresql", database.probe, required=True),
            Check("signing_keys", keys.probe),
        ],
        lifespan=lifespan,
        tracing=tracing,
    )

"""The wiring of render-service, and nothing else."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from artstore_auth.guard import Guard
from artstore_auth.keys import RemoteKeys
from artstore_auth.verify import TokenVerifier
from artstore_core.scopes import PUBLIC_AUDIENCE
from artstore_kit.app import ServiceInfo, create_app
from artstore_kit.health import Check
from artstore_kit.outgoing import outgoing_client
from artstore_kit.tracing import Tracing
from fastapi import FastAPI

from render_service import __version__
from render_service.config import Settings
from render_service.db.engine import Database, make_engine

SERVICE = ServiceInfo(
    name="render-service",
    version=__version__,
    title="ArtStore render-service",
    description="Makes previews of files.",
)


def build(settings: Settings) -> FastAPI:
    """The app. Nothing is connected before it starts."""
    tracing = Tracing(SERVICE.name, SERVICE.version)
    database = Database(make_engine(settings.database_url.get_secret_value()))
    plain = outgoing_client(tracing, ca_file=settings.ca_file)
    keys = RemoteKeys(settings.jwks_url, plain, cache_file=settings.jwks_cache_file)
    guard = Guard(TokenVerifier(keys, issuer=settings.issuer, audiences=[PUBLIC_AUDIENCE]))

    @asynccontextmanager
    async def lifespan() -> AsyncIterator[None]:
        yield
        await plain.aclose()
        await database.close()

    app = create_app(
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
    app.state.guard = guard  # the door that every route of previews will stand behind
    return app

"""The wiring of admin-service: the only place that knows all its parts."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from artstore_auth.guard import Guard
from artstore_auth.verify import TokenVerifier
from artstore_core.scopes import INTERNAL_AUDIENCE, PUBLIC_AUDIENCE
from artstore_kit.app import ServiceInfo, create_app
from artstore_kit.health import Check
from artstore_kit.outgoing import outgoing_client
from artstore_kit.tracing import Tracing
from artstore_postgres.engine import make_engine
from fastapi import FastAPI

from admin_service import __version__
from admin_service.clients.element import ElementClient
from admin_service.config import Settings
from admin_service.db.engine import POOL_SIZE, Database
from admin_service.http import oauth, registry, service_accounts, storage_elements
from admin_service.identity.accounts import ServiceAccounts
from admin_service.identity.clock import Clock, system_clock
from admin_service.identity.keys import KeyRing, KeyVault
from admin_service.identity.secrets import Argon2Hasher
from admin_service.identity.tokens import ClientCredentialsGrant, TokenIssuer
from admin_service.registry.elements import HealthPoller

SERVICE = ServiceInfo(
    name="admin-service",
    version=__version__,
    title="ArtStore admin-service",
    description="Identity, the list of storage elements, the registry of files.",
)


def build(settings: Settings, clock: Clock = system_clock) -> FastAPI:
    """The app. Nothing is connected before it starts."""
    tracing = Tracing(SERVICE.name, SERVICE.version)
    engine = make_engine(
        settings.database_url.get_secret_value(),
        application=SERVICE.name,
        pool_size=POOL_SIZE,
        tracer_provider=tracing.provider,
    )
    database = Database(engine)
    elements = outgoing_client(tracing, ca_file=settings.ca_file)

    keys = KeyRing(database.key_rows, KeyVault(settings.key_encryption_bytes), clock)
    hasher = Argon2Hasher()
    issuer = TokenIssuer(keys, issuer=settings.issuer, lifetime_seconds=settings.access_token_seconds, clock=clock)
    grant = ClientCredentialsGrant(database.transaction, hasher, Argon2Hasher(), issuer, clock)
    verifier = TokenVerifier(keys, issuer=settings.issuer, audiences=[PUBLIC_AUDIENCE, INTERNAL_AUDIENCE])
    guard = Guard(verifier)
    poller = HealthPoller(database.element_rows, ElementClient(elements).info, clock)

    @asynccontextmanager
    async def lifespan() -> AsyncIterator[None]:
        polling = asyncio.create_task(poller.run(settings.element_poll_seconds))
        try:
            yield
        finally:
            polling.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await polling
            await elements.aclose()
            await database.close()

    return create_app(
        SERVICE,
        routers=[
            oauth.router(grant, keys, settings.issuer),
            service_accounts.router(ServiceAccounts(hasher, clock), database, guard),
            storage_elements.router(database, guard),
            registry.router(database, guard),
        ],
        checks=[Check("postgresql", database.probe, required=True)],
        lifespan=lifespan,
        tracing=tracing,
    )

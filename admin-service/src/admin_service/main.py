"""The wiring of admin-service: the only place that knows all its parts."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import timedelta

import httpx
from artstore_audit import Denials, Reporter, reporting
from artstore_auth.guard import Guard
from artstore_auth.verify import TokenVerifier
from artstore_core.errors import ArtStoreError, QuotaExceeded
from artstore_core.scopes import INTERNAL_AUDIENCE, PUBLIC_AUDIENCE
from artstore_kit.app import ServiceInfo, create_app
from artstore_kit.calls import Calls, Dependency
from artstore_kit.errors import Refused
from artstore_kit.health import Check, Health
from artstore_kit.metrics import new_registry
from artstore_kit.outgoing import outgoing_client, tls_context
from artstore_kit.tracing import Tracing
from artstore_postgres.engine import make_engine
from artstore_postgres.figures import DatabaseFigures
from fastapi import FastAPI, Request
from prometheus_client import CollectorRegistry
from starlette.types import ASGIApp

from admin_service import __version__
from admin_service.audit.intake import OwnRefusals
from admin_service.audit.log import Journal
from admin_service.clients.element import ElementClient
from admin_service.clients.info import InfoClient
from admin_service.clients.lists import Lists
from admin_service.clients.pinned import SystemResolver, pinned_client
from admin_service.clients.tokens import ElementTokens
from admin_service.config import Settings
from admin_service.console.api import Upstreams
from admin_service.console.app import console_app, entrance, own_assets
from admin_service.console.door import Doors
from admin_service.console.pages import BASE, Pages
from admin_service.console.parts import Console
from admin_service.console.visits import Visits
from admin_service.db.engine import POOL_SIZE, Database
from admin_service.db.syncs import Sessions as SyncSessions
from admin_service.db.syncs import sync_engine
from admin_service.http import (
    admin_users,
    audit,
    auth,
    element_operations,
    idempotency,
    jwt_keys,
    oauth,
    quotas,
    registry,
    service_accounts,
    storage_elements,
    syncs,
    totals,
)
from admin_service.identity.accounts import ServiceAccounts
from admin_service.identity.clients import ClientAuthentication
from admin_service.identity.clock import Clock, system_clock
from admin_service.identity.expiry import SecretExpiry
from admin_service.identity.inspection import TokenInspection, TokenReader
from admin_service.identity.key_gauges import watch_keys
from admin_service.identity.keys import RELOAD_SECONDS, KeyRing, KeyVault
from admin_service.identity.lockout import LockoutPolicy
from admin_service.identity.rotation import KeyRotation, Timetable
from admin_service.identity.secrets import Argon2Hasher
from admin_service.identity.sessions import Sessions
from admin_service.identity.sign_in import PasswordCheck
from admin_service.identity.standing import TokenStanding
from admin_service.identity.tokens import ClientCredentialsGrant, TokenIssuer
from admin_service.identity.users import AdminUsers
from admin_service.registry.addresses import Networks
from admin_service.registry.changing import ChangingFiles
from admin_service.registry.element_gauges import watch_elements
from admin_service.registry.elements import StorageElement
from admin_service.registry.health import LOOKS_AT_ONCE, HealthPoller
from admin_service.registry.membership import Elements
from admin_service.registry.operations import Operations
from admin_service.registry.outbox import Upkeep
from admin_service.registry.rebuilding import Rebuilding, Say
from admin_service.registry.schedule import SyncSchedule
from admin_service.registry.sync import Syncs
from admin_service.registry.sync_gauges import SyncGauges
from admin_service.registry.totals import Totalling

KEY_CHECK_SECONDS = 15.0
KEEP_SECONDS = 60.0
"""An idle connection to an element; the element itself ends one after 75 s, and a request must not meet that."""
EXPIRY_CHECK_SECONDS = 60.0

SERVICE = ServiceInfo(
    name="admin-service",
    version=__version__,
    title="ArtStore admin-service",
    description="Identity, the list of storage elements, the registry of files.",
)


@dataclass(frozen=True)
class Identity:
    """Who may do what: everything of `identity/`."""

    keys: KeyRing
    rotation: KeyRotation
    issuer: TokenIssuer
    clients: ClientAuthentication
    grant: ClientCredentialsGrant
    sessions: Sessions
    inspection: TokenInspection
    accounts: ServiceAccounts
    users: AdminUsers
    policy: LockoutPolicy
    expiry: SecretExpiry
    guard: Guard


def _identity(settings: Settings, database: Database, clock: Clock, figures: CollectorRegistry) -> Identity:
    store, journal, vault = database.transaction, Journal(clock), key_vault(settings)
    # A key that is published for a short time only must be noticed the sooner.
    reload_seconds = min(RELOAD_SECONDS, settings.key_publish_seconds / 4)
    keys = KeyRing(database.key_rows, vault, clock, reload_seconds=reload_seconds)
    watch_keys(keys, figures)
    # One queue each: nobody's flood of guesses keeps anybody else waiting.
    for_clients, for_services, for_people, for_admins = (Argon2Hasher() for _ in range(4))
    issuer = TokenIssuer(keys, issuer=settings.issuer, lifetime_seconds=settings.access_token_seconds, clock=clock)
    clients = ClientAuthentication(store, for_clients, for_services, journal, clock)
    policy = LockoutPolicy(settings.lockout_failures, timedelta(seconds=settings.lockout_seconds))
    passwords = PasswordCheck(store, for_people, policy, journal, clock)
    lifetime = settings.refresh_token_seconds
    sessions = Sessions(store, passwords, for_people, issuer, journal, clock, lifetime_seconds=lifetime)
    standing = TokenStanding(database.standing_rows)
    reader = TokenReader(keys, issuer=settings.issuer, clock=clock)
    audiences = [PUBLIC_AUDIENCE, INTERNAL_AUDIENCE]
    verifier = TokenVerifier(keys, issuer=settings.issuer, audiences=audiences, clock=lambda: clock().timestamp())
    return Identity(
        keys=keys,
        rotation=KeyRotation(store, vault, key_timetable(settings), clock, changed=keys.renew),
        issuer=issuer,
        clients=clients,
        grant=ClientCredentialsGrant(store, clients, issuer, clock),
        sessions=sessions,
        inspection=TokenInspection(store, reader, standing, sessions, journal, clock),
        accounts=ServiceAccounts(store, for_admins, journal, clock),
        users=AdminUsers(store, for_admins, journal, clock),
        policy=policy,
        expiry=SecretExpiry(store, clock, figures),
        guard=Guard(verifier, standing),
    )


@dataclass(frozen=True)
class Outside:
    """The ways to storage elements, known and unknown."""

    ask: InfoClient
    ask_stranger: InfoClient
    elements: ElementClient
    close: Callable[[], Awaitable[None]]

    def lists(self, element: StorageElement) -> Lists:
        return Lists(self.elements, self.ask, element)


def _outside(settings: Settings, calls: Calls, issuer: TokenIssuer, clock: Clock) -> Outside:
    resolver = SystemResolver()
    networks, tls = Networks(settings.element_networks), tls_context(settings.ca_file)
    strangers = pinned_client(
        networks,
        tls,
        resolver,
        max_connections=64,
        keep_seconds=0,
        through=lambda way: calls.through(way, "element", known=False),
    )
    known = pinned_client(
        networks,
        tls,
        resolver,
        max_connections=256,
        keep_seconds=KEEP_SECONDS,
        through=lambda way: calls.through(way, "element"),
    )

    async def close() -> None:
        await known.aclose()
        await strangers.aclose()
        resolver.close()

    return Outside(
        # Two queues: nobody's strangers keep the known ones from being asked.
        ask=InfoClient(strangers, at_once=LOOKS_AT_ONCE),
        ask_stranger=InfoClient(strangers, at_once=8),
        elements=ElementClient(known, ElementTokens(issuer, clock)),
        close=close,
    )


@dataclass(frozen=True)
class Syncing:
    syncs: Syncs
    gauges: SyncGauges
    close: Callable[[], Awaitable[None]]


def _syncing(
    settings: Settings, database: Database, outside: Outside, clock: Clock, figures: CollectorRegistry
) -> Syncing:
    sessions = SyncSessions(sync_engine(settings.database_url.get_secret_value(), SERVICE.name))
    gauges, full_every = SyncGauges(figures), timedelta(seconds=settings.full_sync_seconds)
    syncs = Syncs(sessions, database.sync_history, outside.lists, Journal(clock), clock, gauges, full_every=full_every)

    async def close() -> None:
        await syncs.close()
        await sessions.dispose()

    return Syncing(syncs, gauges, close)


def _upstreams(settings: Settings, calls: Calls, app: Callable[[], ASGIApp]) -> Upstreams:
    def client(service: Dependency, url: str) -> httpx.AsyncClient:
        return outgoing_client(calls, service, ca_file=settings.ca_file, base_url=url)

    return Upstreams(
        app,
        ingester=client("ingester", settings.ingester_url),
        query=client("query", settings.query_url),
        render=client("render", settings.render_url),
    )


def build(settings: Settings, clock: Clock = system_clock) -> FastAPI:
    """The app. Nothing is connected before it starts."""
    tracing, figures = Tracing(SERVICE.name, SERVICE.version), new_registry()
    calls, url = Calls(figures), settings.database_url.get_secret_value()
    engine = make_engine(url, application=SERVICE.name, pool_size=POOL_SIZE, traced=tracing.on)
    for_readiness = make_engine(url, application=f"{SERVICE.name} readiness", pool_size=1)
    database = Database(engine, for_readiness, DatabaseFigures(figures).watch(engine))
    journal = Journal(clock)
    identity = _identity(settings, database, clock, figures)
    outside = _outside(settings, calls, identity.issuer, clock)
    syncing = _syncing(settings, database, outside, clock, figures)

    poller = HealthPoller(database.element_rows, outside.ask, clock)
    watch_elements(lambda: poller.known, figures)
    sync_every = timedelta(seconds=settings.sync_seconds)
    schedule = SyncSchedule(database.element_rows, syncing.syncs, clock, sync_every, syncing.gauges)
    elements = Elements(database.transaction, outside.ask_stranger, schedule, journal, clock)
    operations = Operations(database.transaction, outside.elements, outside.elements, journal, clock)
    changing = ChangingFiles(database.transaction, outside.elements, journal)
    upkeep = Upkeep(database.outbox_rows, clock, keep_days=settings.outbox_days, registry=figures)
    totalling = Totalling(database.transaction, clock)
    reporter = Reporter(OwnRefusals(database.transaction), registry=figures)
    denials = Denials(reporter.report)

    upstreams = _upstreams(settings, calls, lambda: app)

    def refused(request: Request, error: ArtStoreError) -> None:
        _refused(denials, request, error)

    @asynccontextmanager
    async def lifespan() -> AsyncIterator[None]:
        await database.warm()
        running = [
            asyncio.create_task(upkeep.run()),
            asyncio.create_task(poller.run(settings.element_poll_seconds)),
            asyncio.create_task(schedule.run(settings.element_poll_seconds)),
            asyncio.create_task(identity.rotation.run(KEY_CHECK_SECONDS)),
            asyncio.create_task(identity.keys.run()),
            asyncio.create_task(identity.expiry.run(EXPIRY_CHECK_SECONDS)),
        ]
        try:
            async with reporting(reporter, denials):
                yield
        finally:
            for task in running:
                task.cancel()
            await asyncio.gather(*running, return_exceptions=True)
            await totalling.close()
            await syncing.close()
            await outside.close()
            await upstreams.close()
            await database.close()

    guard = identity.guard
    app = create_app(
        SERVICE,
        routers=[
            oauth.router(
                identity.grant, identity.clients, identity.inspection, identity.keys, settings.issuer, refused
            ),
            auth.router(identity.sessions, database, guard),
            admin_users.router(identity.users, database, guard, identity.policy, clock),
            jwt_keys.router(identity.rotation, guard),
            service_accounts.router(identity.accounts, database, guard),
            storage_elements.router(database, guard, elements),
            syncs.router(syncing.syncs, database, guard),
            element_operations.router(guard, operations),
            registry.router(database, guard, changing),
            totals.router(totalling, guard),
            audit.router(database, guard, clock),
            quotas.router(database, guard, clock),
            idempotency.router(database, guard, clock, timedelta(seconds=settings.idempotency_seconds)),
            entrance(),
        ],
        checks=[Check("postgresql", database.probe, required=True)],
        lifespan=lifespan,
        tracing=tracing,
        registry=figures,
        trusted_proxies=settings.trusted_proxies,
        refused=refused,
    )
    app.mount(BASE, _console(settings, database, identity, upstreams, app.state.health, clock, refused))
    return app


def _console(
    settings: Settings,
    database: Database,
    identity: Identity,
    upstreams: Upstreams,
    health: Health,
    clock: Clock,
    refused: Refused,
) -> FastAPI:
    assets, idle = own_assets(), timedelta(seconds=settings.console_idle_seconds)
    visits = Visits(database.transaction, identity.sessions, identity.issuer, clock, idle=idle)
    pages = Pages(assets, clock, SERVICE.version)
    doors = Doors(visits, upstreams, pages)
    shown = {name: _shown(value) for name, value in settings.model_dump(mode="json").items() if value is not None}
    return console_app(Console(doors, pages, visits, database, clock, health, shown), assets, refused)


def _shown(setting: object) -> str:
    """As one would write it into the environment."""
    if isinstance(setting, list):
        return ",".join(map(str, setting))
    return str(int(setting)) if isinstance(setting, float) and setting.is_integer() else str(setting)


def _refused(denials: Denials, request: Request, error: ArtStoreError) -> None:
    """Sign-ins keep their own entries, with the name; and a quota's refusal is the uploader's, whom the ingester names."""
    if request.url.path not in auth.AUDITED_PATHS and not isinstance(error, QuotaExceeded):
        denials.refused(request, error)


@asynccontextmanager
async def syncs_alone(settings: Settings, clock: Clock = system_clock) -> AsyncIterator[tuple[Syncs, Database]]:
    """What a sync needs, and no service around it."""
    url, figures = settings.database_url.get_secret_value(), CollectorRegistry()
    database = Database(make_engine(url, application=f"{SERVICE.name} syncs alone", pool_size=2))
    keys = KeyRing(database.key_rows, key_vault(settings), clock)
    issuer = TokenIssuer(keys, issuer=settings.issuer, lifetime_seconds=settings.access_token_seconds, clock=clock)
    outside = _outside(settings, Calls(figures), issuer, clock)
    syncing = _syncing(settings, database, outside, clock, figures)
    try:
        yield syncing.syncs, database
    finally:
        await syncing.close()
        await outside.close()
        await database.close()


@asynccontextmanager
async def rebuilding(settings: Settings, say: Say) -> AsyncIterator[Rebuilding]:
    async with syncs_alone(settings) as (syncs, database):
        yield Rebuilding(database.element_rows, database.sync_history, syncs, say)


def key_vault(settings: Settings) -> KeyVault:
    return KeyVault(settings.key_encryption_bytes, settings.previous_key_encryption_bytes)


def key_timetable(settings: Settings) -> Timetable:
    days = settings.key_rotation_days
    return Timetable(
        publish=timedelta(seconds=settings.key_publish_seconds),
        token=timedelta(seconds=settings.access_token_seconds),
        every=timedelta(days=days) if days else None,
    )

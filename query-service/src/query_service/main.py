"""The wiring of query-service, and nothing else."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime

from artstore_audit import AdminIntake, Denials, Reporter, reporting
from artstore_auth.guard import Guard
from artstore_auth.keys import RemoteKeys
from artstore_auth.service_token import ServiceAuth, TokenSource
from artstore_auth.verify import TokenVerifier
from artstore_core.scopes import INTERNAL_AUDIENCE, PUBLIC_AUDIENCE
from artstore_kit.app import ServiceInfo, create_app
from artstore_kit.calls import Calls
from artstore_kit.health import Check
from artstore_kit.metrics import new_registry
from artstore_kit.outgoing import outgoing_client
from artstore_kit.plain import direct_routes
from artstore_kit.tracing import Tracing
from artstore_outbox import Follower, connecting
from artstore_outbox.follower import Pace
from artstore_postgres.engine import make_engine
from artstore_postgres.figures import DatabaseFigures, Which
from fastapi import FastAPI
from pydantic import SecretStr

from query_service import __version__
from query_service.clients.elements import ElementSource
from query_service.clients.patience import Patience
from query_service.config import Settings
from query_service.db.engine import ISOLATION, POOL_SIZE, SEARCHES, SETTINGS, Database
from query_service.db.files import FileRows
from query_service.db.search import SearchIndex
from query_service.files.contents import HotContents
from query_service.files.download import Downloads
from query_service.files.hot import Bounds, HotFiles
from query_service.files.limits import DownloadSlots, RequestRate, SearchTurns
from query_service.files.links import Links
from query_service.files.lookup import Clock
from query_service.files.news import Changes, running
from query_service.files.readiness import StorageProbe
from query_service.files.shortcut import ElementShortcut
from query_service.http import files, search
from query_service.http import links as links_routes
from query_service.http.door import Door
from query_service.metrics import QueryMetrics
from query_service.search.service import Index
from query_service.search.spare import WithSpare

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


def _database(url: SecretStr, settings: Settings, tracing: Tracing, figures: DatabaseFigures, which: Which) -> Database:
    engine = make_engine(
        url.get_secret_value(),
        application=SERVICE.name,
        pool_size=POOL_SIZE,
        statement_seconds=settings.statement_seconds,
        settings=SETTINGS,
        traced=tracing.on,
        isolation_level=ISOLATION,
    )
    return Database(engine, figures.watch(engine, which))


def _index(database: Database, replica: Database | None, loose_seconds: float) -> Index:
    index = SearchIndex(database, loose_seconds)
    return WithSpare(SearchIndex(replica, loose_seconds), spare=index) if replica else index


def _hot_files(rows: FileRows, settings: Settings, metrics: QueryMetrics) -> tuple[HotFiles, Changes]:
    """Files in memory, and what keeps them true: over a connection of its own, to the primary."""
    bounds = Bounds(settings.cache_seconds, settings.cache_entries, settings.cache_bytes)
    hot = HotFiles(rows, bounds, metrics)
    connect = connecting(settings.database_url.get_secret_value(), application=f"{SERVICE.name} events")
    # Every pause is time in which a change is not seen.
    return hot, Changes(Follower(connect, pace=Pace(away=(0.1, 0.5))), hot, metrics)


def build(settings: Settings, clock: Clock = system_clock) -> FastAPI:
    """The app. Nothing is connected before it starts."""
    tracing = Tracing(SERVICE.name, SERVICE.version)
    registry = new_registry()
    metrics, calls, figures = QueryMetrics(registry), Calls(registry), DatabaseFigures(registry)
    database, url = _database(settings.database_url, settings, tracing, figures, "primary"), settings.read_database_url
    replica = _database(url, settings, tracing, figures, "replica") if url else None
    plain = outgoing_client(calls, "admin", ca_file=settings.ca_file)
    storage = outgoing_client(calls, "element", ca_file=settings.ca_file, max_connections=MAX_DOWNLOADS_AT_ONCE)

    keys = RemoteKeys(settings.jwks_url, plain, cache_file=settings.jwks_cache_file)
    guard = Guard(TokenVerifier(keys, issuer=settings.issuer, audiences=[PUBLIC_AUDIENCE]))
    rows = FileRows(database)
    hot, changes = _hot_files(rows, settings, metrics)
    elements = ElementSource(
        storage,
        settings.ticket_master_bytes,
        metrics,
        opening=Patience(settings.retry_seconds),
        resuming=Patience(settings.resume_seconds),
    )
    shortcut = ElementShortcut(settings.ticket_master_bytes, clock) if settings.redirect == "internal" else None
    contents = HotContents(settings.content_bytes, settings.content_file_bytes)
    metrics.watch_contents(lambda: contents.size)
    downloads = Downloads(hot, elements, rows, clock, metrics, contents, shortcut)
    links = Links(hot, settings.ticket_master_bytes, settings.public_url or settings.issuer, clock)
    rate, slots = RequestRate(settings.requests_per_second, metrics), DownloadSlots(settings.downloads_at_once, metrics)
    turns, door = SearchTurns(settings.searches_at_once, SEARCHES, metrics), Door(guard, rate)

    # For the audit log alone: whether admin is there or not, query does its work.
    admin_url = settings.admin_url.rstrip("/")
    tokens = TokenSource(plain, f"{admin_url}/api/v1/auth/token", settings.client_id, settings.client_secret)
    inside = outgoing_client(
        calls, "admin", ca_file=settings.ca_file, base_url=admin_url, auth=ServiceAuth(tokens, INTERNAL_AUDIENCE)
    )
    reporter = Reporter(AdminIntake(inside), registry=registry)
    denials = Denials(reporter.report)

    bytes_routes = files.bytes_router(downloads, slots, door)

    @asynccontextmanager
    async def lifespan() -> AsyncIterator[None]:
        async with reporting(reporter, denials), running(changes.follow()):
            yield
        for client in (inside, storage, plain):
            await client.aclose()
        for one in filter(None, (database, replica)):
            await one.close()

    return create_app(
        SERVICE,
        routers=[
            files.router(downloads, door),
            bytes_routes,
            links_routes.router(links, downloads, slots, rate, door),
            search.router(_index(database, replica, settings.loose_seconds), turns, door),
        ],
        checks=[
            Check("postgresql", database.probe),
            *([Check("postgresql_replica", replica.probe)] if replica else []),
            Check("signing_keys", keys.probe),
            Check("storage_elements", StorageProbe(rows.elements, elements.probe)),
        ],
        lifespan=lifespan,
        tracing=tracing,
        registry=registry,
        trusted_proxies=settings.trusted_proxies,
        refused=denials.refused,
        direct=direct_routes(bytes_routes),
    )

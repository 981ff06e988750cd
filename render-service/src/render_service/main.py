"""The wiring of render-service, and nothing else: what answers viewers, and the worker that makes what they see."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from datetime import UTC, datetime
from pathlib import Path

from artstore_audit import AdminIntake, Denials, Reporter, reporting
from artstore_auth.guard import Guard
from artstore_auth.keys import RemoteKeys
from artstore_auth.service_token import ServiceAuth, TokenSource
from artstore_auth.verify import TokenVerifier
from artstore_core.errors import StorageUnavailable
from artstore_core.scopes import INTERNAL_AUDIENCE, PUBLIC_AUDIENCE
from artstore_kit.app import ServiceInfo, create_app
from artstore_kit.calls import Calls
from artstore_kit.health import Check, Health
from artstore_kit.metrics import new_registry
from artstore_kit.outgoing import outgoing_client
from artstore_kit.tracing import Tracing
from artstore_outbox import Follower, connecting
from artstore_outbox.follower import Connect
from artstore_postgres.engine import make_engine
from artstore_postgres.figures import DatabaseFigures
from fastapi import FastAPI
from prometheus_client import CollectorRegistry

from render_service import __version__
from render_service.clients.elements import ElementBytes
from render_service.clients.s3 import Bucket, S3Store
from render_service.config import Settings
from render_service.db.board import BoardRows
from render_service.db.engine import SETTINGS, Database
from render_service.db.files import RegisteredFiles
from render_service.db.intake import IntakeLedger
from render_service.db.listening import CHANGES, Bell, listen
from render_service.db.queue import CHANNEL
from render_service.db.removals import RemovalRows
from render_service.db.work import WorkRows
from render_service.decoders.office import Office, found_program
from render_service.decoders.run import Decoders
from render_service.disk.store import DirectoryStore
from render_service.disk.workplace import workplace
from render_service.http import content, events, jobs, renditions, tiles
from render_service.jobs.backoff import Backoff
from render_service.jobs.conversion import Conversion, Terms, traced
from render_service.jobs.intake import Intake
from render_service.jobs.janitor import tidy
from render_service.jobs.ports import Decode
from render_service.jobs.tasks import Tasks
from render_service.jobs.worker import Pace, Worker
from render_service.metrics import QueueFigures, RenderMetrics
from render_service.renditions.following import Feeds, Patience
from render_service.renditions.packs import Packs
from render_service.renditions.viewing import Viewing
from render_service.renditions.ways import Clock, Ways

SERVICE = ServiceInfo(
    name="render-service",
    version=__version__,
    title="ArtStore render-service",
    description="Makes previews of files.",
)
POOL_SIZE = 20
DRAIN_LOOK_SECONDS = 0.5
Store = DirectoryStore | S3Store


def system_clock() -> datetime:
    return datetime.now(UTC)


def build(settings: Settings, clock: Clock = system_clock, patience: Patience | None = None) -> FastAPI:
    """The app that answers viewers. Nothing is connected before it starts."""
    tracing = Tracing(SERVICE.name, SERVICE.version)
    registry = new_registry()
    metrics, calls = RenderMetrics(registry), Calls(registry)
    rows = _database(settings, tracing, registry)
    plain = outgoing_client(calls, "jwks", ca_file=settings.ca_file)
    keys = RemoteKeys(settings.jwks_url, plain, cache_file=settings.jwks_cache_file)
    guard = Guard(TokenVerifier(keys, issuer=settings.issuer, audiences=[PUBLIC_AUDIENCE]))
    store = make_store(settings, calls)
    board, feeds = BoardRows(rows), Feeds(settings.events_at_once, metrics)
    ways = Ways.of(settings.ticket_master_bytes, settings.public_url or settings.issuer, clock)
    viewing = Viewing(RegisteredFiles(rows), board, ways, clock, metrics)
    audit, queue = _Audit(settings, calls, registry), QueueFigures(board.queue, clock, registry)
    connect = _connecting(settings, "events")

    @asynccontextmanager
    async def lifespan() -> AsyncIterator[None]:
        async with audit.running(), Tasks() as tasks:
            tasks.keep("news of jobs", lambda: listen(connect, {CHANGES: feeds.heard}, feeds.missed))
            tasks.keep("the queue's figures", queue.follow)
            tasks.keep("end of streams", lambda: _close_when_draining(app.state.health, feeds))
            yield
        await plain.aclose()
        await _close(store, rows)

    app = create_app(
        SERVICE,
        routers=[
            renditions.router(viewing, guard),
            content.router(viewing, store, redirect=settings.s3_redirect),
            tiles.router(Packs(viewing, store), ways),
            events.router(viewing, board, feeds, guard, patience or Patience()),
            jobs.router(viewing, board, guard),
        ],
        checks=[
            # Required: without the jobs' tables there is nothing that it could do (A6).
            Check("postgresql", rows.probe, required=True),
            Check("signing_keys", keys.probe),
            Check("store", store.probe),
        ],
        lifespan=lifespan,
        tracing=tracing,
        registry=registry,
        trusted_proxies=settings.trusted_proxies,
        refused=audit.denials.refused if audit.denials else None,
    )
    return app


def build_worker(settings: Settings, decode: Decode | None = None) -> FastAPI:
    """The worker, as an app that only tells how it is. It works from the app's start to its end.

    `decode`: another one than that of the decoders.
    """
    tracing = Tracing("render-worker", SERVICE.version)
    registry = new_registry()
    metrics, calls = RenderMetrics(registry), Calls(registry)
    rows, store = _database(settings, tracing, registry), make_store(settings, calls)
    storage = outgoing_client(calls, "element", ca_file=settings.ca_file)
    work, bell, broom = WorkRows(rows), Bell(), Bell()
    source = ElementBytes(storage, settings.ticket_master_bytes)
    connect = _connecting(settings, "jobs")
    intake = Intake(Follower(_connecting(settings, "outbox")), IntakeLedger(rows))

    @asynccontextmanager
    async def lifespan() -> AsyncIterator[None]:
        async with AsyncExitStack() as stack:
            place = stack.enter_context(workplace(settings.work_dir))
            terms = Terms(place, settings.max_file_bytes, backoff=Backoff(settings.max_attempts))
            decoder = await stack.enter_async_context(_decoders(place)) if decode is None else decode
            convert = Conversion(work, RegisteredFiles(rows), source, store, decoder, terms, metrics)
            pace = Pace(silent=settings.heartbeat_seconds, poll=settings.heartbeat_seconds / 4)
            worker = Worker(
                work, traced(convert, tracing), bell, slots=settings.jobs_at_once, pace=pace, metrics=metrics
            )
            tasks = await stack.enter_async_context(Tasks())
            tasks.keep("registry's events", intake.follow)
            wakes = {CHANNEL: lambda _: bell.ring(), CHANGES: lambda _: broom.ring()}
            tasks.keep("wake", lambda: listen(connect, wakes, bell.ring))
            tasks.keep("removals", lambda: tidy(RemovalRows(rows), store, broom))
            tasks.keep("jobs", worker.run)
            yield
            await worker.stop(settings.shutdown_grace_seconds)
        await storage.aclose()
        await _close(store, rows)

    return create_app(
        ServiceInfo("render-worker", SERVICE.version, SERVICE.title, SERVICE.description),
        routers=[],
        checks=[Check("postgresql", rows.probe, required=True), Check("store", store.probe)],
        lifespan=lifespan,
        tracing=tracing,
        registry=registry,
    )


def make_store(settings: Settings, calls: Calls) -> Store:
    if settings.store == "directory":
        return DirectoryStore(settings.store_dir)
    access, secret = settings.s3_access_key, settings.s3_secret_key
    return S3Store(
        Bucket(
            settings.s3_bucket,
            settings.s3_prefix,
            settings.s3_endpoint_url,
            settings.s3_region,
            access.get_secret_value() if access else None,
            secret.get_secret_value() if secret else None,
            settings.s3_encryption,
            settings.ca_file,
        ),
        timed=lambda name: calls.to("s3", name, (StorageUnavailable,)),
    )


class _Audit:
    """The audit log at admin, where one is set: whether admin is there or not, previews are shown."""

    def __init__(self, settings: Settings, calls: Calls, registry: CollectorRegistry) -> None:
        self.denials: Denials | None = None
        if settings.admin_url is None:
            return
        admin_url = settings.admin_url.rstrip("/")
        self._plain = outgoing_client(calls, "admin", ca_file=settings.ca_file)
        tokens = TokenSource(self._plain, f"{admin_url}/api/v1/auth/token", settings.client_id, settings.client_secret)
        self._inside = outgoing_client(
            calls, "admin", ca_file=settings.ca_file, base_url=admin_url, auth=ServiceAuth(tokens, INTERNAL_AUDIENCE)
        )
        self._reporter = Reporter(AdminIntake(self._inside), registry=registry)
        self.denials = Denials(self._reporter.report)

    @asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        if self.denials is None:
            yield
            return
        async with reporting(self._reporter, self.denials):
            yield
        await self._inside.aclose()
        await self._plain.aclose()


@asynccontextmanager
async def _decoders(place: Path) -> AsyncIterator[Decode]:
    office = Office(place / "office", found_program())
    try:
        yield Decoders(office).decode
    finally:
        await office.aclose()


def _database(settings: Settings, tracing: Tracing, registry: CollectorRegistry) -> Database:
    engine = make_engine(
        settings.database_url.get_secret_value(),
        application=SERVICE.name,
        pool_size=POOL_SIZE,
        settings=SETTINGS,
        traced=tracing.on,
    )
    return Database(engine, DatabaseFigures(registry).watch(engine))


def _connecting(settings: Settings, purpose: str) -> Connect:
    return connecting(settings.database_url.get_secret_value(), application=f"{SERVICE.name} {purpose}")


async def _close_when_draining(health: Health, feeds: Feeds) -> None:
    """Streams that would hold up a stop for minutes."""
    while not health.draining:  # noqa: ASYNC110  a signal's handler sets it, which can set no event of this loop's
        await asyncio.sleep(DRAIN_LOOK_SECONDS)
    feeds.close()


async def _close(store: Store, rows: Database) -> None:
    if isinstance(store, S3Store):
        await store.close()
    await rows.close()

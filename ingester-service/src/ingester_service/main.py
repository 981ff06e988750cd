"""The wiring of ingester-service, and nothing else."""

from __future__ import annotations

import asyncio
import random
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress

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
from artstore_kit.tracing import Tracing
from fastapi import FastAPI
from prometheus_client import Gauge

from ingester_service import __version__
from ingester_service.clients.admin import AdminClient
from ingester_service.clients.clamd import Clamd
from ingester_service.clients.element_files import ElementFilesClient
from ingester_service.clients.elements import ElementClient
from ingester_service.clients.idempotency import IdempotencyClient
from ingester_service.clients.staging import StagingClient
from ingester_service.clients.whereabouts import WhereaboutsClient
from ingester_service.config import Settings
from ingester_service.files.changing import ChangingFiles
from ingester_service.http import files, parts, tus, upload
from ingester_service.http.scans import ScanJournal
from ingester_service.parts.service import SignedParts
from ingester_service.parts.urls import PartUrls
from ingester_service.resumable.finding import Finding
from ingester_service.resumable.finishing import Finishing
from ingester_service.resumable.joining import Joining
from ingester_service.resumable.left_behind import LeftOnElements
from ingester_service.resumable.once import BeginOnce
from ingester_service.resumable.quota import ReservedQuota
from ingester_service.resumable.service import ResumableUploads
from ingester_service.resumable.whereabouts import KnownElements
from ingester_service.upload.idempotency import IdempotencyKeys
from ingester_service.upload.inspection import Inspection
from ingester_service.upload.limits import UploadLimits
from ingester_service.upload.once import UploadOnce
from ingester_service.upload.placement import ElementList, Placement
from ingester_service.upload.quotas import QuotaPace, Quotas
from ingester_service.upload.readiness import StorageProbe
from ingester_service.upload.registration import Patience, Registration
from ingester_service.upload.scanning import ScannerUnavailable, Scanning
from ingester_service.upload.service import Uploads
from ingester_service.upload.together import Together
from ingester_service.upload.types import TypePolicy

SERVICE = ServiceInfo(
    name="ingester-service",
    version=__version__,
    title="ArtStore ingester-service",
    description="Takes files in and streams them to a storage element.",
)
MAX_UPLOADS_AT_ONCE = 500
"""Connections to elements; an upload beyond waits three seconds for one, then hears 503."""


def build(settings: Settings, patience: Patience | None = None, quota_pace: QuotaPace | None = None) -> FastAPI:
    """The app. Nothing is connected before it starts."""
    tracing, registry = Tracing(SERVICE.name, SERVICE.version), new_registry()
    calls, admin_url = Calls(registry), settings.admin_url.rstrip("/")
    plain = outgoing_client(calls, "admin", ca_file=settings.ca_file)
    tokens = TokenSource(plain, f"{admin_url}/api/v1/auth/token", settings.client_id, settings.client_secret)
    inside = outgoing_client(
        calls, "admin", ca_file=settings.ca_file, base_url=admin_url, auth=ServiceAuth(tokens, INTERNAL_AUDIENCE)
    )
    storage = outgoing_client(calls, "element", ca_file=settings.ca_file, max_connections=MAX_UPLOADS_AT_ONCE)

    keys = RemoteKeys(settings.jwks_url, plain, cache_file=settings.jwks_cache_file)
    guard = Guard(TokenVerifier(keys, issuer=settings.issuer, audiences=[PUBLIC_AUDIENCE]))
    admin, elements = AdminClient(inside), ElementClient(storage, tokens)
    known = ElementList(admin, settings.elements_cache_seconds)
    registration = Registration(Together(admin), patience or Patience())
    types = TypePolicy(settings.blocked_types, settings.blocked_extensions)
    reporter = Reporter(AdminIntake(inside), registry=registry)
    clamd = _clamd(settings, calls)
    journal = ScanJournal(reporter.report, registry)
    scanning = None if clamd is None else Scanning(clamd, settings.clamd_too_large, journal)
    inspection = Inspection(types, scanning)
    placement = Placement(known, random.SystemRandom())

    pace = quota_pace or QuotaPace()
    quotas = Quotas(admin, pace)
    quota = ReservedQuota(quotas, admin, pace.renewal)
    staging, whereabouts = StagingClient(storage, elements), WhereaboutsClient(inside)
    uploads = Uploads(placement, elements, staging, registration, inspection, hold_seconds=settings.hold_seconds)
    everywhere = KnownElements(whereabouts, settings.elements_cache_seconds)
    finding = Finding(everywhere, staging)
    finishing = Finishing(staging, registration, inspection, quota)
    most = settings.max_resumable_bytes
    resumable = ResumableUploads(
        placement, staging, finding, finishing, types, quota, max_bytes=most, hold_seconds=settings.hold_seconds
    )
    joining = Joining(placement, known, staging, finding, finishing, types, quota, max_bytes=most)
    keys_used, left = IdempotencyKeys(IdempotencyClient(inside)), LeftOnElements(everywhere, staging)
    once = UploadOnce(uploads, quotas, keys_used, left, registration)
    beginning = BeginOnce(resumable, joining, finding, keys_used, left, registration)
    urls = PartUrls(settings.ticket_master_bytes, settings.public_url or settings.issuer)
    signed = SignedParts(staging, finding, finishing, registration, quota, keys_used, urls)
    sending = UploadLimits(
        uploads=settings.max_uploads_per_principal,
        size=settings.max_bytes_in_flight_per_principal,
        unknown_size=settings.max_upload_bytes,
    )
    changing = ChangingFiles(whereabouts, everywhere, ElementFilesClient(storage, elements), registration)

    denials = Denials(reporter.report)
    waiting = Gauge("artstore_registrations_waiting", "Files that admin has not heard of yet", registry=registry)
    waiting.set_function(lambda: registration.waiting)

    @asynccontextmanager
    async def lifespan() -> AsyncIterator[None]:
        background = asyncio.create_task(registration.run())
        try:
            async with reporting(reporter, denials):
                yield
        finally:
            background.cancel()
            with suppress(asyncio.CancelledError):
                await background
            for client in (storage, inside, plain):
                await client.aclose()

    return create_app(
        SERVICE,
        routers=[
            parts.router(signed, beginning, sending, guard, reporter.report),
            tus.router(
                resumable, beginning, signed, sending, guard, reporter.report, idle_seconds=settings.idle_seconds
            ),
            files.router(changing, guard, reporter.report),
            upload.router(
                once,
                sending,
                guard,
                reporter.report,
                max_bytes=settings.max_upload_bytes,
                idle_seconds=settings.idle_seconds,
            ),
        ],
        checks=[
            Check("admin", admin.probe),
            Check("signing_keys", keys.probe),
            Check("storage_elements", StorageProbe(known, elements.probe)),
            *([Check("clamd", clamd.probe)] if clamd else []),
        ],
        lifespan=lifespan,
        tracing=tracing,
        registry=registry,
        trusted_proxies=settings.trusted_proxies,
        refused=denials.refused,
        is_byte_route=lambda path: path == upload.UPLOAD_PATH or tus.is_byte_path(path),
    )


def _clamd(settings: Settings, calls: Calls) -> Clamd | None:
    if settings.clamd_address is None:
        return None
    return Clamd(
        settings.clamd_address,
        patience=settings.clamd_seconds,
        at_once=settings.clamd_scans_at_once,
        timed=lambda: calls.to("scanner", "SCAN", (ScannerUnavailable,)),
    )

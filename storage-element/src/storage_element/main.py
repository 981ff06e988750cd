"""Wiring: the one place where the edge, the meaning and the world of a storage element meet."""

from __future__ import annotations

import asyncio
import re
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from importlib.metadata import version
from typing import Any, Final

import httpx
from artstore_auth.guard import Guard
from artstore_auth.keys import KeySource, RemoteKeys
from artstore_auth.verify import TokenVerifier
from artstore_core.errors import StorageUnavailable
from artstore_core.scopes import element_audience
from artstore_kit.app import ServiceInfo, create_app
from artstore_kit.calls import Calls
from artstore_kit.context import current_address
from artstore_kit.health import Check, Unhealthy
from artstore_kit.logs import get_logger
from artstore_kit.metrics import new_registry
from artstore_kit.outgoing import outgoing_client
from artstore_kit.plain import direct_routes
from artstore_kit.tracing import Tracing
from artstore_tickets import Clock, Tickets, parse_key, utc_now
from fastapi import FastAPI

from storage_element.config import Settings
from storage_element.disk.ballast import Ballast
from storage_element.disk.filesystem import FileSystem, RealFileSystem
from storage_element.disk.layout import Layout
from storage_element.disk.root import DataRoot
from storage_element.http.access import Access
from storage_element.http.changes import changes_router
from storage_element.http.files import bytes_router, files_router
from storage_element.http.info import info_router
from storage_element.http.maintenance import maintenance_router
from storage_element.http.operations import operations_router
from storage_element.http.parts import parts_router
from storage_element.http.uploads import uploads_router
from storage_element.store.ballast import KeepingBallast
from storage_element.store.capacity import Capacity
from storage_element.store.clock import ClockGuard, Monotonic
from storage_element.store.element import Element
from storage_element.store.examiner import Examiner
from storage_element.store.files import Files
from storage_element.store.findings import Finding
from storage_element.store.gauges import Counters, ElementGauges
from storage_element.store.gc import GarbageCollection
from storage_element.store.jobs import Job
from storage_element.store.keeper import Keeper
from storage_element.store.operations import Operations
from storage_element.store.pace import Pace
from storage_element.store.read_errors import ReadErrors
from storage_element.store.suspects import Suspects
from storage_element.store.sweep import StagingSweep
from storage_element.store.uploads import Uploads
from storage_element.store.walks import ReconcileWalk, ScrubWalk, Tools
from storage_element.store.workers import Workers

SERVICE: Final = ServiceInfo(
    name="storage-element",
    version=version("storage-element"),
    title="ArtStore storage element",
    description="Keeps the bytes, and beside each file its record.",
)
_log = get_logger("storage_element")
_STREAMS: Final = re.compile(r"/api/v1/((files|uploads)/[^/]+|uploads/[^/]+/parts/[^/]+)")


class Upkeep:
    """What goes on beside the requests, for as long as the element runs."""

    def __init__(
        self,
        settings: Settings,
        disk: DataRoot,
        element: Element,
        workers: Workers,
        now: Clock,
        monotonic: Monotonic,
        counters: Counters,
    ) -> None:
        def tell(event: str, **facts: Any) -> None:
            note = _log.warning if "why" in facts else _log.info
            note("maintenance", event_name=event, **facts)

        def found_by(name: str) -> Callable[[Finding], None]:
            def found(finding: Finding) -> None:
                counters.found(finding, name)
                facts = finding.model_dump(mode="json", exclude={"at"}, exclude_none=True)
                _log.warning("finding", found_by=name, **facts)

            return found

        inspector = disk.inspector
        examiner = Examiner(inspector, element, workers, now)
        tools = Tools(inspector, examiner, ReadErrors(inspector, workers), element, workers, now, monotonic)
        self.suspects = Suspects(examiner, found_by("download"))
        self.guard = ClockGuard(now, monotonic, inspector, workers, element.opened, tell, settings.gc_settle_seconds)
        self.gc = GarbageCollection(
            element, self.guard, settings.gc_seconds, settings.tombstone_seconds, counters, tell
        )
        self.reconcile = Job(
            "reconcile",
            ReconcileWalk(tools, found_by("reconcile")),
            inspector,
            element,
            workers,
            now,
            monotonic,
            tell,
            every=settings.reconcile_seconds,
            checksums=False,
        )
        pace = Pace(settings.scrub_bytes_per_second, monotonic)
        self.scrub = Job(
            "scrub",
            ScrubWalk(tools, pace, found_by("scrub"), counters.scrubbed),
            inspector,
            element,
            workers,
            now,
            monotonic,
            tell,
            every=settings.scrub_seconds,
            checksums=True,
        )

    def tasks(self) -> list[asyncio.Task[None]]:
        """They run until they are cancelled."""
        return [
            asyncio.create_task(self.guard.run(), name="clock"),
            asyncio.create_task(self.gc.run(), name="gc"),
            asyncio.create_task(self.suspects.run(), name="suspects"),
            asyncio.create_task(self.reconcile.run(), name="reconcile"),
            asyncio.create_task(self.scrub.run(), name="scrub"),
        ]


class Store:
    """The element's meaning, put together on one data root."""

    def __init__(
        self,
        settings: Settings,
        filesystem: FileSystem,
        now: Clock,
        monotonic: Monotonic,
        counters: Counters,
        *,
        index_in_memory: bool,
    ) -> None:
        def report(event: str, name: str) -> None:
            _log.warning("recovery", found=event, name=name)

        self.workers = Workers()
        self.disk = DataRoot(
            settings.data_dir, filesystem, settings.storage_id, report, index_in_memory=index_in_memory, now=now
        )
        self.capacity = capacity = Capacity(settings.capacity_bytes)
        ballast = Ballast(Layout(settings.data_dir), filesystem, settings.ballast_bytes)
        self.element = Element(
            settings.storage_id,
            SERVICE.version,
            self.disk,
            capacity,
            self.workers,
            lambda state: _log.info("element", state=state),
            settings.checkpoint_bytes,
            settings.checkpoint_seconds,
            settings.reopen_seconds,
            counters,
            lambda: ballast.bytes,
        )
        self.ballast = KeepingBallast(ballast, self.element, self.workers)
        self.upkeep = Upkeep(settings, self.disk, self.element, self.workers, now, monotonic, counters)
        keeper = Keeper(self.disk, self.element, self.workers, self.upkeep.suspects.note)
        self.files = Files(self.disk, self.element, capacity, keeper, self.workers, now, settings.max_upload_bytes)
        self.operations = Operations(
            self.element,
            now,
            lambda event, **facts: _log.warning("operation", event_name=event, address=current_address(), **facts),
        )
        self.uploads = Uploads(
            self.disk,
            self.element,
            capacity,
            keeper,
            self.workers,
            now,
            settings.max_upload_bytes,
            settings.max_file_bytes,
            settings.part_seconds,
        )
        self.sweep = StagingSweep(
            self.element,
            self.disk,
            self.workers,
            self.uploads,
            now,
            self.upkeep.guard,
            settings.staging_seconds,
            lambda upload_id, size: _log.warning("abandoned upload removed", upload_id=str(upload_id), bytes=size),
        )

    async def probe(self) -> None:
        try:
            await self.element.probe()
        except StorageUnavailable as error:
            raise Unhealthy(error.message) from error


def build(
    settings: Settings,
    *,
    keys: KeySource | None = None,
    filesystem: FileSystem | None = None,
    now: Clock = utc_now,
    monotonic: Monotonic = time.monotonic,
    index_in_memory: bool = False,
) -> FastAPI:
    """The element as an ASGI app. `keys`, `filesystem`, `now` and `monotonic` stand for the JWKS, the disk and the
    clocks; where SQLite cannot reach that disk, the index is kept in memory."""
    tracing = Tracing(SERVICE.name, SERVICE.version, instance=settings.storage_id)
    registry = new_registry()
    client = outgoing_client(Calls(registry), "jwks", ca_file=settings.ca_file)
    counters = Counters(registry, now)
    store = Store(settings, filesystem or RealFileSystem(), now, monotonic, counters, index_in_memory=index_in_memory)
    registry.register(ElementGauges(store.element, store.disk, store.capacity, store.upkeep.guard, store.upkeep.scrub))
    checks = [Check("data_root", store.probe, required=True)]
    if keys is None:
        keys = remote = RemoteKeys(settings.jwks_url, client, cache_file=settings.jwks_cache_file)
        checks.append(Check("signing_keys", remote.probe))
    verifier = TokenVerifier(keys, issuer=settings.issuer, audiences=[element_audience(settings.storage_id)])
    key = parse_key(settings.ticket_key.get_secret_value())
    access = Access(Guard(verifier), Tickets(settings.storage_id, key, now))
    bytes_routes = bytes_router(store.files, access, store.workers, settings.idle_seconds)
    app = create_app(
        SERVICE,
        routers=[
            info_router(store.element),
            changes_router(store.files, access),
            operations_router(store.operations, access),
            maintenance_router(store.upkeep.reconcile, store.upkeep.scrub, access),
            bytes_routes,
            files_router(store.files, access),
            parts_router(store.uploads.parts, access, settings.idle_seconds),
            uploads_router(store.uploads, access, store.workers, settings.idle_seconds, settings.staging_seconds),
        ],
        checks=checks,
        lifespan=lambda: _life(store, client, settings.marker_check_seconds),
        tracing=tracing,
        registry=registry,
        is_byte_route=lambda path: _STREAMS.fullmatch(path) is not None,
        direct=direct_routes(bytes_routes),
        trusted_proxies=settings.trusted_proxies,
    )
    app.state.element, app.state.sweep, app.state.upkeep = store.element, store.sweep, store.upkeep
    app.state.ballast = store.ballast
    return app


@asynccontextmanager
async def _life(store: Store, client: httpx.AsyncClient, check_seconds: float) -> AsyncIterator[None]:
    beside = [
        asyncio.create_task(store.element.watch(check_seconds), name="watch"),
        asyncio.create_task(store.sweep.run(), name="sweep"),
        asyncio.create_task(store.ballast.run(), name="ballast"),
        *store.upkeep.tasks(),
    ]
    for task in beside:
        task.add_done_callback(_tell_of_failure)
    try:
        yield
    finally:
        for task in beside:
            task.cancel()
        await asyncio.gather(*beside, return_exceptions=True)
        await store.element.close()
        await client.aclose()
        await asyncio.to_thread(store.workers.close)


def _tell_of_failure(task: asyncio.Task[None]) -> None:
    if not task.cancelled() and (error := task.exception()) is not None:
        _log.error("a task beside the requests has ended", task=task.get_name(), exc_info=error)

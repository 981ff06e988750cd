"""Wiring: the one place where the edge, the meaning and the world of a storage element meet."""

from __future__ import annotations

import asyncio
import re
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from importlib.metadata import version
from typing import Final

import httpx
from artstore_auth.guard import Guard
from artstore_auth.keys import KeySource, RemoteKeys
from artstore_auth.verify import TokenVerifier
from artstore_core.errors import StorageUnavailable
from artstore_core.scopes import element_audience
from artstore_kit.app import ServiceInfo, create_app
from artstore_kit.health import Check, Unhealthy
from artstore_kit.logs import get_logger
from artstore_kit.outgoing import outgoing_client
from artstore_kit.tracing import Tracing
from artstore_tickets import Clock, Tickets, parse_key, utc_now
from fastapi import FastAPI

from storage_element.config import Settings
from storage_element.disk.filesystem import FileSystem, RealFileSystem
from storage_element.disk.root import DataRoot
from storage_element.http.access import Access
from storage_element.http.files import files_router
from storage_element.http.info import info_router
from storage_element.http.uploads import uploads_router
from storage_element.store.capacity import Capacity
from storage_element.store.element import Element
from storage_element.store.files import Files, Keeper
from storage_element.store.index import MemoryIndex
from storage_element.store.sweep import StagingSweep
from storage_element.store.uploads import Uploads
from storage_element.store.workers import Workers

SERVICE: Final = ServiceInfo(
    name="storage-element",
    version=version("storage-element"),
    title="ArtStore storage element",
    description="Keeps the bytes, and beside each file its record.",
)
_log = get_logger("storage_element")
_STREAMS: Final = re.compile(r"/api/v1/(files|uploads)/[^/]+")


class Store:
    """The element's meaning, put together on one data root."""

    def __init__(self, settings: Settings, filesystem: FileSystem, now: Clock) -> None:
        def report(event: str, name: str) -> None:
            _log.warning("recovery", found=event, name=name)

        self.workers = Workers()
        self.disk = DataRoot(settings.data_dir, filesystem, settings.storage_id, report)
        index, capacity = MemoryIndex(), Capacity(settings.capacity_bytes)
        self.element = Element(
            settings.storage_id,
            SERVICE.version,
            self.disk,
            index,
            capacity,
            self.workers,
            lambda state: _log.info("element", state=state),
        )
        keeper = Keeper(self.disk, index, self.element, self.workers)
        self.files = Files(
            self.disk, index, self.element, capacity, keeper, self.workers, now, settings.max_upload_bytes
        )
        self.uploads = Uploads(
            self.disk,
            index,
            self.element,
            capacity,
            keeper,
            self.workers,
            now,
            settings.max_upload_bytes,
            settings.max_file_bytes,
        )
        self.sweep = StagingSweep(
            self.element,
            self.uploads,
            now,
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
) -> FastAPI:
    """The element as an ASGI app. `keys`, `filesystem` and `now` stand for the JWKS, the disk and the clock."""
    tracing = Tracing(SERVICE.name, SERVICE.version)
    client = outgoing_client(tracing, ca_file=settings.ca_file)
    store = Store(settings, filesystem or RealFileSystem(), now)
    checks = [Check("data_root", store.probe, required=True)]
    if keys is None:
        keys = remote = RemoteKeys(settings.jwks_url, client, cache_file=settings.jwks_cache_file)
        checks.append(Check("signing_keys", remote.probe))
    verifier = TokenVerifier(keys, issuer=settings.issuer, audiences=[element_audience(settings.storage_id)])
    key = parse_key(settings.ticket_key.get_secret_value())
    access = Access(Guard(verifier), Tickets(settings.storage_id, key, now))
    app = create_app(
        SERVICE,
        routers=[
            info_router(store.element),
            files_router(store.files, access, store.workers, settings.idle_seconds),
            uploads_router(store.uploads, access, settings.idle_seconds),
        ],
        checks=checks,
        lifespan=lambda: _life(store, client, settings.marker_check_seconds),
        tracing=tracing,
        is_byte_route=lambda path: _STREAMS.fullmatch(path) is not None,
    )
    app.state.element, app.state.sweep = store.element, store.sweep
    return app


@asynccontextmanager
async def _life(store: Store, client: httpx.AsyncClient, check_seconds: float) -> AsyncIterator[None]:
    beside = [
        asyncio.create_task(store.element.watch(check_seconds), name="watch"),
        asyncio.create_task(store.sweep.run(), name="sweep"),
    ]
    for task in beside:
        task.add_done_callback(_tell_of_failure)
    try:
        yield
    finally:
        for task in beside:
            task.cancel()
        await asyncio.gather(*beside, return_exceptions=True)
        await client.aclose()
        await asyncio.to_thread(store.workers.close)


def _tell_of_failure(task: asyncio.Task[None]) -> None:
    if not task.cancelled() and (error := task.exception()) is not None:
        _log.error("a task beside the requests has ended", task=task.get_name(), exc_info=error)

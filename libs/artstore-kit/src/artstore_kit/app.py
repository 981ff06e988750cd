"""The app factory: the same outside on every service."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass

from fastapi import APIRouter, FastAPI, Request, Response
from prometheus_client import CollectorRegistry
from prometheus_client.exposition import choose_encoder

from artstore_kit.client_address import ClientAddress, Network
from artstore_kit.direct import Direct, DirectRoute
from artstore_kit.errors import Refused, install_error_handlers
from artstore_kit.health import Check, Health
from artstore_kit.metrics import HttpMetrics, new_registry, tell_version
from artstore_kit.middleware import BodyLimit, LingeringRefusal, RequestMiddleware
from artstore_kit.openapi import contract, operation_id
from artstore_kit.tracing import Tracing

MAX_JSON_BODY_BYTES = 1024 * 1024


@dataclass(frozen=True)
class ServiceInfo:
    """`name` is the service's own (`admin-service`), as logs, metrics and health show it."""

    name: str
    version: str
    title: str
    description: str = ""


def _no_byte_routes(_path: str) -> bool:
    return False


def create_app(
    service: ServiceInfo,
    *,
    routers: Sequence[APIRouter],
    checks: Sequence[Check] = (),
    lifespan: Callable[[], AbstractAsyncContextManager[None]] | None = None,
    tracing: Tracing | None = None,
    registry: CollectorRegistry | None = None,
    is_byte_route: Callable[[str], bool] = _no_byte_routes,
    direct: Sequence[DirectRoute] = (),
    trusted_proxies: Sequence[Network] = (),
    refused: Refused | None = None,
) -> FastAPI:
    """An app with the agreed errors, health, metrics, ids and body limit around `routers`.

    `refused` hears of every 401 and 403, for the audit log. `trusted_proxies`: see `ClientAddress`.

    `direct` are endpoints of `routers` that are asked so often that they get a shorter way. `is_byte_route` names the paths that stream bodies and check their size themselves. `app.state.health` is the
    Health, for the server to set `draining`, and `app.state.registry` that of the metrics.
    """
    registry = registry or new_registry()
    tell_version(registry, service.name, service.version)
    health = Health(service.name, service.version, checks, registry)

    @asynccontextmanager
    async def life(_app: FastAPI) -> AsyncIterator[None]:
        if lifespan is None:
            yield
        else:
            async with lifespan():
                yield
        if tracing is not None:
            # In a thread: what is sent last may find a collector that does not answer.
            await asyncio.to_thread(tracing.close)

    app = FastAPI(
        title=service.title,
        version=service.version,
        description=service.description,
        lifespan=life,
        docs_url=None,
        redoc_url=None,
        generate_unique_id_function=operation_id,
        redirect_slashes=False,
        # `tracing` and `HttpMetrics` see to it; the framework's own would ask the environment at each request.
        telemetry={"tracing": False, "metrics": False, "logs": False},
    )
    app.state.health, app.state.registry = health, registry
    install_error_handlers(app, refused)
    if direct:
        app.add_middleware(Direct, routes=direct)
    app.add_middleware(BodyLimit, limit=MAX_JSON_BODY_BYTES, is_byte_route=is_byte_route)
    app.add_middleware(LingeringRefusal, is_byte_route=is_byte_route)
    app.add_middleware(RequestMiddleware, metrics=HttpMetrics(registry))
    if trusted_proxies:
        app.add_middleware(ClientAddress, trusted=trusted_proxies)
    if tracing is not None:
        app.add_middleware(tracing.wrap)
    for router in (*routers, health.router(), _metrics_router(registry)):
        app.include_router(router)
    app.openapi = lambda: contract(app)  # type: ignore[method-assign]  # FastAPI's own way to extend the document
    return app


def _metrics_router(registry: CollectorRegistry) -> APIRouter:
    router = APIRouter(tags=["health"])

    @router.get("/metrics", response_class=Response)
    async def metrics(request: Request) -> Response:
        """Prometheus metrics."""
        encode, content_type = choose_encoder(request.headers.get("accept", ""))
        return Response(encode(registry), media_type=content_type)

    return router

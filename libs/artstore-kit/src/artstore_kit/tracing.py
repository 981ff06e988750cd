"""OpenTelemetry: off until the standard OTEL_* variables name where spans go.

On or off, a caller's W3C `traceparent` is taken in and handed on, so a trace that the gateway began has no gap.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping, MutableMapping
from contextlib import AbstractContextManager, nullcontext
from threading import Timer
from typing import Final

from opentelemetry import context, trace
from opentelemetry.context import Context
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator
from starlette.types import ASGIApp, Receive, Scope, Send

from artstore_kit.spans import Attributes, SpanKind, recording

QUIET_PATHS: Final = frozenset({"/health/live", "/health/ready", "/metrics"})
"""Asked every few seconds by machines: no spans, and no lines in the log."""
GOODBYE_SECONDS: Final = 2.0
_ENDPOINTS: Final = ("OTEL_EXPORTER_OTLP_ENDPOINT", "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT")
_TRACE_BEFORE: Final = b"x-artstore-traceparent"
"""From our gateway, where its own `traceparent` says less: see artstore_gateway.elements."""
_HEADERS: Final = (b"traceparent", b"tracestate", _TRACE_BEFORE)
_PROPAGATOR: Final = TraceContextTextMapPropagator()


def tracing_wanted(environment: Mapping[str, str]) -> bool:
    if environment.get("OTEL_SDK_DISABLED", "").lower() == "true":
        return False
    if environment.get("OTEL_TRACES_EXPORTER", "").lower() == "none":
        return False
    return any(environment.get(name) for name in _ENDPOINTS)


def _callers_trace(scope: Scope) -> Context | None:
    """What the caller's headers say of its trace (W3C Trace Context §3); None where it sent none."""
    carrier = {
        name.decode("latin-1"): value.decode("latin-1") for name, value in scope.get("headers", ()) if name in _HEADERS
    }
    if before := carrier.get(_TRACE_BEFORE.decode()):
        carrier["traceparent"] = before
    return _PROPAGATOR.extract(carrier) if carrier else None


class _PassOn:
    """Takes the caller's trace in without recording anything: what tracing costs when it is off."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        parent = _callers_trace(scope)
        if parent is None:
            return await self._app(scope, receive, send)
        token = context.attach(parent)
        try:
            return await self._app(scope, receive, send)
        finally:
            context.detach(token)


class _Record:
    """A span for each request, below the caller's. `middleware.RequestMiddleware` gives it the route's name."""

    def __init__(self, app: ASGIApp, tracer: trace.Tracer) -> None:
        self._app, self._tracer = app, tracer

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http" or scope["path"] in QUIET_PATHS:
            return await self._app(scope, receive, send)
        parent = _callers_trace(scope) or context.get_current()
        # The console asks its own service without a socket, inside the request that it answers.
        inside = trace.get_current_span(parent).is_recording()
        kind = SpanKind.INTERNAL if inside else SpanKind.SERVER
        asked: Attributes = {"http.request.method": scope["method"], "url.scheme": scope["scheme"]}
        with recording(self._tracer, scope["method"], asked, kind, parent):
            return await self._app(scope, receive, send)


class Tracing:
    """One service's tracing: wraps its app, begins traces of what nobody asked for, and flushes at the end."""

    def __init__(
        self,
        service: str,
        version: str,
        environment: Mapping[str, str] | None = None,
        provider: TracerProvider | None = None,
        instance: str | None = None,
    ) -> None:
        """`provider` stands for what `environment` (default: the process's own) would ask for. `instance` tells one from
        another of the same service, where they are not replicas."""
        self._provider, self._give_up = provider, _nothing
        given = os.environ if environment is None else environment
        if provider is None and tracing_wanted(given):
            name = given.get("OTEL_SERVICE_NAME") or service
            self._provider, self._give_up = _exporting_provider(name, version, instance)
        self._tracer = None if self._provider is None else self._provider.get_tracer("artstore", version)

    @property
    def on(self) -> bool:
        return self._tracer is not None

    def wrap(self, app: ASGIApp) -> ASGIApp:
        return _PassOn(app) if self._tracer is None else _Record(app, self._tracer)

    def root(self, name: str, attributes: Attributes | None = None) -> AbstractContextManager[object]:
        """A trace of its own, for work that comes out of a queue."""
        if self._tracer is None:
            return nullcontext()
        return recording(self._tracer, name, attributes, SpanKind.CONSUMER, Context())

    def close(self) -> None:
        """Sends what is left; blocks for as long as that takes, which is not long: a collector that is away is no reason to
        hold up a restart."""
        if self._provider is None:
            return
        impatience = Timer(GOODBYE_SECONDS, self._give_up)
        impatience.start()
        try:
            self._provider.shutdown()
        finally:
            impatience.cancel()


def hand_on(headers: MutableMapping[str, str]) -> None:
    """Adds the trace under way, recorded or not, to the headers of a request to another part."""
    _PROPAGATOR.inject(headers)


def _nothing() -> None:
    return


def _exporting_provider(service: str, version: str, instance: str | None) -> tuple[TracerProvider, Callable[[], None]]:
    """And what makes it stop trying to send."""
    # Imported only when wanted: the exporter costs every process 20 MB and a third of a second at start.
    from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
    from opentelemetry.sdk.trace.export import BatchSpanProcessor

    described = {"service.name": service, "service.version": version}
    if instance is not None:
        described["service.instance.id"] = instance
    provider = TracerProvider(resource=Resource.create(described))
    exporter = OTLPSpanExporter()
    provider.add_span_processor(BatchSpanProcessor(exporter))
    return provider, exporter.shutdown

"""OpenTelemetry: off until the standard OTEL_* variables name where spans go.

On or off, a caller's W3C `traceparent` is taken in and handed on, so a trace that the gateway began has no gap.
"""

from __future__ import annotations

import os
from collections.abc import Mapping

import httpx
from opentelemetry import context, propagate, trace
from opentelemetry.instrumentation.asgi import OpenTelemetryMiddleware
from opentelemetry.instrumentation.httpx import HTTPXClientInstrumentor
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import TracerProvider
from starlette.types import ASGIApp, Receive, Scope, Send

from artstore_kit.context import REQUEST_ID_HEADER, current_request_id

_ENDPOINTS = ("OTEL_EXPORTER_OTLP_ENDPOINT", "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT")
_WITH_QUERY = frozenset({"http.url", "http.target", "url.full", "url.query"})
_QUIET_PATHS = "health/live,health/ready,metrics"


def tracing_wanted(environment: Mapping[str, str]) -> bool:
    if environment.get("OTEL_SDK_DISABLED", "").lower() == "true":
        return False
    if environment.get("OTEL_TRACES_EXPORTER", "").lower() == "none":
        return False
    return any(environment.get(name) for name in _ENDPOINTS)


class _PassOn:
    """Takes the caller's trace context in without recording anything: what tracing costs when it is off."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        carrier = {
            name.decode("latin-1"): value.decode("latin-1")
            for name, value in scope.get("headers", ())
            if name in (b"traceparent", b"tracestate")
        }
        if not carrier:
            return await self._app(scope, receive, send)
        token = context.attach(propagate.extract(carrier))
        try:
            return await self._app(scope, receive, send)
        finally:
            context.detach(token)


class Tracing:
    """One service's tracing: wraps its app, its outgoing clients, and flushes at the end."""

    def __init__(
        self,
        service: str,
        version: str,
        environment: Mapping[str, str] | None = None,
        provider: TracerProvider | None = None,
    ) -> None:
        """`provider` stands for what `environment` (default: the process's own) would ask for."""
        self.provider = provider
        if provider is None and tracing_wanted(os.environ if environment is None else environment):
            self.provider = _exporting_provider(service, version)
            trace.set_tracer_provider(self.provider)

    def wrap(self, app: ASGIApp) -> ASGIApp:
        if self.provider is None:
            return _PassOn(app)
        return OpenTelemetryMiddleware(
            app,
            excluded_urls=_QUIET_PATHS,
            exclude_spans=["receive", "send"],
            tracer_provider=self.provider,
            server_request_hook=lambda span, _scope: _drop_query(span),
        )

    def instrument(self, client: httpx.AsyncClient) -> None:
        """Hands the trace and the request id on to whatever the client calls."""

        async def hand_on(request: httpx.Request) -> None:
            propagate.inject(request.headers)
            if request_id := current_request_id():
                request.headers.setdefault(REQUEST_ID_HEADER, request_id)

        client.event_hooks["request"].append(hand_on)
        if self.provider is not None:
            HTTPXClientInstrumentor.instrument_client(
                client, tracer_provider=self.provider, request_hook=_drop_query_of_call
            )

    def close(self) -> None:
        if self.provider is not None:
            self.provider.shutdown()


def _drop_query(span: trace.Span) -> None:
    """A query may carry a ticket, which opens a file for whoever reads it."""
    for name, value in (getattr(span, "attributes", None) or {}).items():
        if name in _WITH_QUERY and isinstance(value, str):
            span.set_attribute(name, value.partition("?")[0] if name != "url.query" else "")


async def _drop_query_of_call(span: trace.Span, _request: object) -> None:
    _drop_query(span)


def _exporting_provider(service: str, version: str) -> TracerProvider:
    # Imported only when wanted: the exporter costs every process 20 MB and a third of a second at start.
    from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
    from opentelemetry.sdk.trace.export import BatchSpanProcessor

    provider = TracerProvider(resource=Resource.create({"service.name": service, "service.version": version}))
    provider.add_span_processor(BatchSpanProcessor(OTLPSpanExporter()))
    return provider

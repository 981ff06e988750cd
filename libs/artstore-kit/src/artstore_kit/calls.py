"""Calls to other parts: timed and counted by who is called, with the trace and the request's id handed on."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager
from time import perf_counter
from typing import Final, Literal

import httpx
from prometheus_client import CollectorRegistry, Histogram

from artstore_kit.context import REQUEST_ID_HEADER, current_request_id
from artstore_kit.spans import Span, SpanKind, note_failure, span
from artstore_kit.tracing import hand_on

Dependency = Literal["admin", "element", "query", "ingester", "render", "jwks", "s3", "scanner"]
"""Whom a service may call. A label, so the list ends here."""
Outcome = Literal["ok", "refused", "failed"]
DEPENDENCY: Final = "artstore_dependency"
"""A request's extension (httpx): who is called by it, where that is another than its client was made for."""
_BUCKETS: Final = (0.001, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 600)


class Calls:
    """One service's. `outcome` is `ok` for 2xx and 3xx, `refused` for 4xx, `failed` for 5xx and for no answer."""

    def __init__(self, registry: CollectorRegistry) -> None:
        self._seconds = Histogram(
            "artstore_outgoing_request_duration_seconds",
            "From the call to the head of its answer",
            ["dependency", "outcome"],
            registry=registry,
            buckets=_BUCKETS,
        )

    def through(
        self, transport: httpx.AsyncBaseTransport, dependency: Dependency, *, known: bool = True
    ) -> httpx.AsyncBaseTransport:
        """`known`: whoever answers is a part of ours, and may learn the ids of traces and requests."""
        return _Through(transport, dependency, known, self._seconds)

    @contextmanager
    def to(self, dependency: Dependency, name: str, failures: tuple[type[BaseException], ...]) -> Iterator[None]:
        """A call that is not by httpx. `failures`: what it raises where there is no answer; all else is not counted."""
        began = perf_counter()
        try:
            with span(f"{name} {dependency}", {"peer.service": dependency}, SpanKind.CLIENT):
                yield
        except failures:
            self._seconds.labels(dependency, "failed").observe(perf_counter() - began)
            raise
        self._seconds.labels(dependency, "ok").observe(perf_counter() - began)


class _Through(httpx.AsyncBaseTransport):
    def __init__(
        self, transport: httpx.AsyncBaseTransport, dependency: Dependency, known: bool, seconds: Histogram
    ) -> None:
        self._transport, self._dependency, self._known, self._seconds = transport, dependency, known, seconds

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        dependency = request.extensions.get(DEPENDENCY, self._dependency)
        began = perf_counter()
        with span(f"{request.method} {dependency}", kind=SpanKind.CLIENT) as calling:
            if calling.is_recording():
                _describe(calling, request, dependency)
            if self._known:
                _hand_on(request)
            try:
                response = await self._transport.handle_async_request(request)
            except (httpx.TransportError, asyncio.CancelledError):
                # Cancelled: by whoever had no patience left, as a rule. What the request's own body raised is not its fault.
                self._observe(dependency, "failed", began)
                raise
            self._observe(dependency, _outcome(response.status_code), began)
            if calling.is_recording():
                _describe_answer(calling, response)
            return response

    async def aclose(self) -> None:
        await self._transport.aclose()

    def _observe(self, dependency: str, outcome: Outcome, began: float) -> None:
        self._seconds.labels(dependency, outcome).observe(perf_counter() - began)


def _hand_on(request: httpx.Request) -> None:
    hand_on(request.headers)
    if request_id := current_request_id():
        request.headers.setdefault(REQUEST_ID_HEADER, request_id)


def _outcome(status: int) -> Outcome:
    if httpx.codes.is_server_error(status):
        return "failed"
    return "refused" if httpx.codes.is_client_error(status) else "ok"


def _describe(calling: Span, request: httpx.Request, dependency: str) -> None:
    # Not the path, nor the query: the one who answers knows the route, and tells it without what opens anything.
    calling.set_attributes(
        {
            "peer.service": dependency,
            "http.request.method": request.method,
            "server.address": request.url.host,
            "server.port": request.url.port or (443 if request.url.scheme == "https" else 80),
        }
    )


def _describe_answer(calling: Span, response: httpx.Response) -> None:
    calling.set_attribute("http.response.status_code", response.status_code)
    if httpx.codes.is_server_error(response.status_code):
        note_failure(calling, str(response.status_code))

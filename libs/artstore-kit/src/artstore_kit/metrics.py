"""Prometheus metrics, in a registry that is passed in so that two apps in one process never mix."""

from __future__ import annotations

from prometheus_client import (
    GC_COLLECTOR,
    PLATFORM_COLLECTOR,
    PROCESS_COLLECTOR,
    CollectorRegistry,
    Counter,
    Gauge,
    Histogram,
    disable_created_metrics,
)

_METHODS = frozenset({"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"})


def new_registry() -> CollectorRegistry:
    # When each series began: as many series again, which nobody reads.
    disable_created_metrics()  # type: ignore[no-untyped-call]  # the package has hints for the rest
    registry = CollectorRegistry()
    for collector in (PROCESS_COLLECTOR, PLATFORM_COLLECTOR, GC_COLLECTOR):
        registry.register(collector)
    return registry


class HttpMetrics:
    """Requests by method, route template and status: labels that a client cannot multiply."""

    def __init__(self, registry: CollectorRegistry) -> None:
        self._requests = Counter(
            "artstore_http_requests_total", "Requests answered", ["method", "route", "status"], registry=registry
        )
        self._duration = Histogram(
            "artstore_http_request_duration_seconds",
            "From the first byte in to the last byte out",
            ["method", "route"],
            registry=registry,
            buckets=(0.001, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.3, 0.5, 1, 2.5, 5, 10, 60, 600),
        )
        self._in_flight = Gauge("artstore_http_requests_in_flight", "Requests being answered", registry=registry)

    def begin(self) -> None:
        self._in_flight.inc()

    def end(self, method: str, route: str, status: int, seconds: float, trace_id: str | None = None) -> None:
        """`trace_id` of a trace that is recorded: an example of what took that long (OpenMetrics, "Exemplars")."""
        method = method if method in _METHODS else "OTHER"
        self._in_flight.dec()
        self._requests.labels(method, route, str(status)).inc()
        self._duration.labels(method, route).observe(seconds, {"trace_id": trace_id} if trace_id else None)


def tell_version(registry: CollectorRegistry, service: str, version: str) -> None:
    Gauge("artstore_build_info", "Which version runs: always 1", ["service", "version"], registry=registry).labels(
        service, version
    ).set(1)

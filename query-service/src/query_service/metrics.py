"""What this service counts, beside what every service does."""

from __future__ import annotations

from collections.abc import Callable

from prometheus_client import CollectorRegistry, Counter, Gauge


class QueryMetrics:
    def __init__(self, registry: CollectorRegistry) -> None:
        self._registry = registry
        self.cache_hits = self._counter("cache_hits", "Files found in memory")
        self.cache_misses = self._counter("cache_misses", "Files looked up in the registry")
        self.content_hits = self._counter("content_hits", "Downloads of bytes that were in memory")
        self.cache_invalidations = self._counter("cache_invalidations", "Events that made files in memory out of date")
        self.marked_deleted = self._counter("marked_deleted", "Files found gone on their element and marked so")
        self.retries = self._counter("element_retries", "Requests to an element that were sent once more")
        self.resumes = self._counter("download_resumes", "Downloads that went on after an element broke off")
        self.redirects = self._counter("redirects", "Downloads that the gateway was sent to the element for")
        self.broken = self._counter("downloads_broken", "Downloads that could not go on")
        self.limited = Counter(
            "artstore_query_limited_total", "Requests answered with 429", ["limit"], registry=registry
        )

    def watch_cache(self, entries: Callable[[], int], size: Callable[[], int]) -> None:
        for name, help_text, value in (
            ("entries", "Files in memory", entries),
            ("bytes", "What they take there, estimated", size),
        ):
            Gauge(f"artstore_query_cache_{name}", help_text, registry=self._registry).set_function(value)

    def watch_contents(self, size: Callable[[], int]) -> None:
        Gauge("artstore_query_content_bytes", "Bytes of small files in memory", registry=self._registry).set_function(
            size
        )

    def _counter(self, name: str, help_text: str) -> Counter:
        return Counter(f"artstore_query_{name}_total", help_text, registry=self._registry)

"""The element's own figures, for Prometheus: read when they are asked for, from memory alone.

A disk that hangs must not make the metrics hang that would tell of it. So the room on the disk is what the last look at
it found, and while the element is closed its other figures are those of before.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import suppress
from typing import Final, Protocol

from artstore_core.errors import ArtStoreError
from artstore_core.modes import Mode
from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram
from prometheus_client.core import GaugeMetricFamily
from prometheus_client.metrics_core import Metric

from storage_element.store.capacity import Capacity
from storage_element.store.clock import ClockGuard
from storage_element.store.element import Element
from storage_element.store.findings import Finding
from storage_element.store.jobs import Job
from storage_element.store.ports import Clock, Index

_PREFIX: Final = "artstore_element"


class LogDisk(Protocol):
    """What of the disk can be asked without waiting. `index` raises StorageUnavailable."""

    @property
    def index(self) -> Index: ...
    @property
    def log_bytes(self) -> int: ...
    @property
    def log_segments(self) -> int: ...


class Counters:
    """What happens, as it happens. Fulfils `store.observing.Observer` and `store.gc.Counts`."""

    def __init__(self, registry: CollectorRegistry, now: Clock) -> None:
        self._now = now
        self._group = Histogram(
            f"{_PREFIX}_group_changes",
            "Changes that became durable together",
            registry=registry,
            buckets=(1, 2, 4, 8, 16, 32, 64, 128, 256, 512),
        )
        self._flush = Histogram(
            f"{_PREFIX}_log_flush_seconds",
            "Write and flush of one group of changes",
            registry=registry,
            buckets=(0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10),
        )
        self._failed = Counter(
            f"{_PREFIX}_commits_failed_total", "Groups of changes that did not become durable", registry=registry
        )
        self._checkpoint = Gauge(
            f"{_PREFIX}_last_checkpoint_timestamp_seconds", "Of this run; 0 before the first", registry=registry
        )
        self._purged = Counter(f"{_PREFIX}_gc_purged_total", "Files gone for good", registry=registry)
        self._refused = Counter(f"{_PREFIX}_gc_refused_total", "Not run: the clock jumped", registry=registry)
        self._findings = Counter(
            f"{_PREFIX}_findings_total",
            "What was found wrong, or right again, by reconcile, scrub and downloads",
            ["found_by", "kind"],
            registry=registry,
        )
        self._scrubbed = Counter(f"{_PREFIX}_scrub_bytes_total", "Bytes read by scrubbing", registry=registry)

    def group(self, changes: int, seconds: float) -> None:
        self._group.observe(changes)
        self._flush.observe(seconds)

    def failed(self) -> None:
        self._failed.inc()

    def checkpoint(self) -> None:
        self._checkpoint.set(self._now().timestamp())

    def purged(self, files: int) -> None:
        self._purged.inc(files)

    def refused(self) -> None:
        self._refused.inc()

    def found(self, finding: Finding, by: str) -> None:
        self._findings.labels(by, finding.kind.value).inc()

    def scrubbed(self, size: int) -> None:
        self._scrubbed.inc(size)


class ElementGauges:
    """A collector: how the element stands. For the event loop's thread, which alone changes what is read here."""

    def __init__(self, element: Element, disk: LogDisk, capacity: Capacity, guard: ClockGuard, scrub: Job) -> None:
        self._element, self._disk, self._capacity = element, disk, capacity
        self._guard, self._scrub = guard, scrub
        self._last: list[Metric] = []

    def collect(self) -> Iterator[Metric]:
        yield _gauge("up", "1 while the disk is there and the element answers", self._element.opened.is_set())
        yield _gauge("writable", "0 while it takes no changes, whatever its mode", self._element.takes_changes)
        yield _gauge("clock_doubtful", "1 while nothing is removed because the clock jumped", self._guard.doubtful)
        yield _gauge("scrub_progress_ratio", "Of the scrubbing under way, or the last one", self._scrub.progress)
        yield _gauge("staged_bytes", "Of unfinished uploads", self._capacity.staged_bytes)
        yield _gauge("ballast_bytes", "Kept free for a start on a full disk", self._element.ballast_bytes)
        yield _gauge("quarantine_bytes", "Damaged or unexplained, and kept", self._element.quarantine_bytes)
        with suppress(ArtStoreError):  # while it is closed
            self._last = [*self._of_an_open_element()]
        yield from self._last

    def _of_an_open_element(self) -> Iterator[Metric]:
        """Raises StorageUnavailable."""
        element, disk = self._element, self._disk
        mode, index = element.mode, disk.index
        modes = GaugeMetricFamily(f"{_PREFIX}_mode", "1 for the mode that it is in", labels=["mode"])
        for one in Mode:
            modes.add_metric([one.value], float(one is mode))
        files = GaugeMetricFamily(f"{_PREFIX}_files", "By the status in their records", labels=["status"])
        for status, count in index.counts.items():
            files.add_metric([status.value], count)
        yield from (modes, files)
        if element.last_usage is not None:
            room = self._capacity.figures(element.used_bytes, element.last_usage)
            for name, help_, value in zip(
                ("capacity_bytes", "used_bytes", "available_bytes"),
                ("The most that the element may fill", "Files, quarantine and unfinished uploads", "Left of it"),
                room,
                strict=True,
            ):
                yield _gauge(name, help_, value)
        yield _gauge("log_bytes", "In the write-ahead log", disk.log_bytes)
        yield _gauge("log_segments", "Files of the write-ahead log", disk.log_segments)
        yield _gauge("pending_changes", "Promised, and not in their places yet", element.commits.applying.count)


def _gauge(name: str, help_: str, value: float) -> Metric:
    return GaugeMetricFamily(f"{_PREFIX}_{name}", help_, value=float(value))

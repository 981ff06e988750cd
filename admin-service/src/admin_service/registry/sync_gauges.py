"""Syncs as Prometheus sees them."""

from __future__ import annotations

from datetime import datetime

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram

from admin_service.registry.syncs import Sync, SyncKind, SyncStatus

_COUNTED = ("read", "added", "updated", "deleted", "refused")


class SyncGauges:
    """registry.sync.SyncObserver and registry.schedule.FollowObserver. Counts are of this process's own syncs; when an
    element was followed last stands in the database, whoever did it."""

    def __init__(self, registry: CollectorRegistry) -> None:
        self._running = Gauge("artstore_syncs_running", "Syncs under way in this process", registry=registry)
        self._ended = Counter(
            "artstore_syncs_total", "Syncs that ended", ["storage_id", "kind", "status"], registry=registry
        )
        self._seconds = Histogram(
            "artstore_sync_duration_seconds",
            "How long syncs took",
            ["kind"],
            registry=registry,
            buckets=(0.05, 0.1, 0.5, 1, 5, 15, 60, 300, 900, 3600),
        )
        self._files = Counter(
            "artstore_sync_files_total", "Files by what a sync did with them", ["storage_id", "what"], registry=registry
        )
        self._conflicts = Counter(
            "artstore_sync_conflicts_total",
            "Files found that are registered elsewhere",
            ["storage_id"],
            registry=registry,
        )
        self._followed = Gauge(
            "artstore_sync_last_success_timestamp_seconds",
            "When the registry last had all that the element says; 0: never",
            ["storage_id"],
            registry=registry,
        )
        self._shown: set[str] = set()

    def began(self, storage_id: str) -> None:  # noqa: ARG002
        self._running.inc()

    def ended(self, storage_id: str, kind: SyncKind, sync: Sync | None, seconds: float) -> None:
        self._running.dec()
        self._seconds.labels(kind.value).observe(seconds)
        status = SyncStatus.INTERRUPTED if sync is None else sync.status
        self._ended.labels(storage_id, kind.value, status.value).inc()
        if sync is not None:
            for what in _COUNTED:
                self._files.labels(storage_id, what).inc(getattr(sync, f"files_{what}"))
            self._conflicts.labels(storage_id).inc(sync.conflicts)

    def followed(self, elements: dict[str, datetime | None]) -> None:
        for storage_id in self._shown - elements.keys():
            self._followed.remove(storage_id)
        self._shown = set(elements)
        for storage_id, at in elements.items():
            self._followed.labels(storage_id).set(at.timestamp() if at else 0)

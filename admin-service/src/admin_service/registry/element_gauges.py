"""Figures of the storage elements, for Prometheus: as the last round of polling found them."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from datetime import datetime

from artstore_core.elements import ElementStatus
from artstore_core.modes import ALLOWED, Operation
from prometheus_client import CollectorRegistry
from prometheus_client.core import GaugeMetricFamily
from prometheus_client.registry import Collector

from admin_service.registry.elements import StorageElement

_PREFIX = "artstore_admin_element"


class ElementGauges(Collector):
    """One label, the storage id; an element that is deleted is gone from the next answer on."""

    def __init__(self, known: Callable[[], Sequence[StorageElement]]) -> None:
        self._known = known

    def collect(self) -> Iterable[GaugeMetricFamily]:
        elements = self._known()
        yield _family("online", "1 while the element can be reached", elements, _online)
        yield _family("writable", "1 while its mode lets files be added", elements, _writable)
        yield _family("capacity_bytes", "What it may fill", elements, lambda one: one.capacity_bytes)
        yield _family("used_bytes", "What is filled", elements, lambda one: one.used_bytes)
        yield _family("available_bytes", "What is left of it", elements, lambda one: one.available_bytes)
        yield _family(
            "last_seen_timestamp_seconds", "When it answered last", elements, lambda one: _unix(one.last_seen_at)
        )


def watch_elements(known: Callable[[], Sequence[StorageElement]], registry: CollectorRegistry) -> None:
    registry.register(ElementGauges(known))


def _family(
    name: str, tells: str, elements: Sequence[StorageElement], value: Callable[[StorageElement], float | None]
) -> GaugeMetricFamily:
    """What is not known of an element yet is left out."""
    family = GaugeMetricFamily(f"{_PREFIX}_{name}", tells, labels=["storage_id"])
    for element in elements:
        if (found := value(element)) is not None:
            family.add_metric([element.storage_id], found)
    return family


def _online(element: StorageElement) -> float:
    return 1.0 if element.status is ElementStatus.ONLINE else 0.0


def _writable(element: StorageElement) -> float | None:
    return None if element.mode is None else float(Operation.UPLOAD in ALLOWED[element.mode])


def _unix(moment: datetime | None) -> float | None:
    return moment.timestamp() if moment is not None else None

"""The series that Prometheus gets from our processes, with the labels that we give them."""

from __future__ import annotations

from functools import cache

from exported_metrics import documented_metrics, registered_metrics
from prometheus_client import PROCESS_COLLECTOR


@cache
def known_series() -> dict[str, frozenset[str]]:
    """From the registries of the code; what an element shows only once its disk is open, from the list in the docs, which
    is compared with a running element elsewhere."""
    metrics = {**documented_metrics(), **registered_metrics()}
    found = {series: metric.labels for metric in metrics.values() for series in metric.series}
    for family in PROCESS_COLLECTOR.collect():
        found[f"{family.name}_total" if family.type == "counter" else family.name] = frozenset()
    return found

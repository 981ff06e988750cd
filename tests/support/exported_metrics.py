"""Every metric that a process of ours can show: as the code registers them, and as the documentation lists them."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

import generate
from fastapi import FastAPI
from prometheus_client import CollectorRegistry
from prometheus_client.metrics_core import Metric as Family
from prometheus_client.parser import text_string_to_metric_families
from pydantic import SecretStr
from render_service.config import Settings as RenderSettings
from render_service.main import build_worker
from world import ROOT

DOCUMENTS: Final = {"en": ROOT / "docs/observability.md", "ru": ROOT / "docs/observability.ru.md"}
_ROW: Final = re.compile(r"^\| `(artstore_\w+)` \| (counter|gauge|histogram) \|([^|]*)\|", re.MULTILINE)
_LABEL: Final = re.compile(r"`(\w+)`")
_PARTS_OF_A_HISTOGRAM: Final = ("_bucket", "_sum", "_count")


@dataclass(frozen=True, slots=True)
class ExportedMetric:
    """`name` as it is asked for: a counter's ends in `_total`; a histogram's stands before `_bucket`, `_sum`, `_count`."""

    name: str
    kind: str
    labels: frozenset[str]
    help: str = field(default="", compare=False)

    @property
    def series(self) -> frozenset[str]:
        """The names of what is stored."""
        if self.kind != "histogram":
            return frozenset({self.name})
        return frozenset(f"{self.name}{part}" for part in _PARTS_OF_A_HISTOGRAM)

    @property
    def exposition(self) -> str:
        """As Prometheus would read it, with one sample."""
        labels = ",".join(f'{label}="x"' for label in sorted(self.labels))
        head = f"# HELP {self.name} {self.help}\n# TYPE {self.name} {self.kind}\n"
        if self.kind != "histogram":
            return f"{head}{self.name}{{{labels}}} 1\n"
        before = f"{labels}," if labels else ""
        buckets = "".join(f'{self.name}_bucket{{{before}le="{bound}"}} 1\n' for bound in ("1", "+Inf"))
        return f"{head}{buckets}{self.name}_sum{{{labels}}} 1\n{self.name}_count{{{labels}}} 1\n"


def registered_metrics() -> dict[str, ExportedMetric]:
    """Of all services, wired but not started. An element shows some more once its disk is open."""
    found: dict[str, ExportedMetric] = {}
    for app in (*generate.apps().values(), _worker()):
        for metric in _of(app.state.registry):
            known = found.setdefault(metric.name, metric)
            assert known == metric, f"{metric.name} means two things"
    return found


def scraped_metrics(text: str) -> dict[str, ExportedMetric]:
    """Of one answer of `/metrics` in Prometheus' own format. Labels only where there is a sample."""
    return {
        (metric := _metric(family, {name for sample in family.samples for name in sample.labels})).name: metric
        for family in text_string_to_metric_families(text)
        if family.name.startswith("artstore_")
    }


def documented_metrics(language: str = "en") -> dict[str, ExportedMetric]:
    """What docs/observability.md lists."""
    text = DOCUMENTS[language].read_text(encoding="utf-8")
    return {
        name: ExportedMetric(name, kind, frozenset(_LABEL.findall(labels))) for name, kind, labels in _ROW.findall(text)
    }


def _of(registry: CollectorRegistry) -> Iterator[ExportedMetric]:
    # A metric with labels has no samples before its first use; its labels are known to its collector alone.
    labels: dict[str, tuple[str, ...]] = {}
    for collector, names in registry._collector_to_names.items():
        for name in names:
            labels[name] = getattr(collector, "_labelnames", ())
    for family in registry.collect():
        if family.name.startswith("artstore_"):
            yield _metric(family, {*labels.get(family.name, ()), *getattr(family, "_labelnames", ())})


def _metric(family: Family, labels: set[str]) -> ExportedMetric:
    name = f"{family.name}_total" if family.type == "counter" else family.name
    return ExportedMetric(name, family.type, frozenset(labels - {"le"}), family.documentation)


def _worker() -> FastAPI:
    given: dict[str, Any] = {
        "database_url": SecretStr("postgresql://nobody@127.0.0.1/none"),
        "ticket_master_key": SecretStr("A" * 43 + "="),
        "issuer": "https://artstore.invalid",
        "jwks_url": "https://artstore.invalid/jwks.json",
        "store_dir": Path("/nonexistent"),
    }
    return build_worker(RenderSettings(**given))

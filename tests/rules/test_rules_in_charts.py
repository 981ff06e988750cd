"""What the charts give to Prometheus and Grafana is what is tested here, under the names that the rules go by."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import yaml
from alerting import ROOT, jobs_named
from chart_renders import Rendered, rendered

MONITORED = {"artstore": "production", "storage-element": "gateway"}
"""Sets of values with rules and a monitor."""


def of(chart: str) -> Rendered:
    return rendered(chart, MONITORED[chart])


@pytest.mark.parametrize("chart", MONITORED)
def test_rules_are_wrapped_as_they_are(chart: str) -> None:
    files = [read(path) for path in sorted((ROOT / "charts" / chart / "rules").glob("*.yaml"))]
    wrapped = [manifest["spec"] for manifest in of(chart).of_kind("PrometheusRule")]
    assert sorted(wrapped, key=str) == sorted(files, key=str)


def test_dashboards_are_wrapped_as_they_are() -> None:
    maps = [one for one in of("artstore").of_kind("ConfigMap") if "grafana_dashboard" in one["metadata"]["labels"]]
    found = {name: json.loads(text) for one in maps for name, text in one["data"].items()}
    assert found == {path.name: read(path) for path in (ROOT / "charts/artstore/dashboards").glob("*.json")}


def test_jobs_are_called_what_the_rules_call_them() -> None:
    render = of("artstore")
    [endpoint] = render.one("ServiceMonitor")["spec"]["endpoints"]
    [to_job] = [one for one in endpoint["relabelings"] if one["targetLabel"] == "job"]
    assert to_job["sourceLabels"] == ["__meta_kubernetes_service_label_app_kubernetes_io_component"]
    components = {one["metadata"]["labels"]["app.kubernetes.io/component"] for one in render.of_kind("Service")}
    jobs = {to_job["replacement"].replace("$1", component) for component in components}
    assert jobs_named("artstore") <= jobs
    [of_element] = of("storage-element").one("ServiceMonitor")["spec"]["endpoints"]
    assert {"targetLabel": "job", "replacement": "artstore-storage-element"} in of_element["relabelings"]
    assert jobs_named("storage-element") == {"artstore-storage-element"}


def read(path: Path) -> Any:
    return yaml.safe_load(path.read_text(encoding="utf-8"))

"""What is scraped is called what the alerts call it: an alert on a job that nobody has would never fire."""

from __future__ import annotations

import re

import pytest
from chart_renders import CHARTS, Rendered, rendered
from chart_selectors import matches

WATCHED = {"artstore": "production", "storage-element": "gateway"}
JOB = re.compile(r'\bjob\s*=~?\s*"([^"]+)"')


def _jobs(render: Rendered) -> set[str]:
    """The jobs of all that the chart's ServiceMonitors find, with their relabelling carried out."""
    found: set[str] = set()
    for monitor in render.of_kind("ServiceMonitor"):
        services = [
            one for one in render.of_kind("Service") if matches(monitor["spec"]["selector"], one["metadata"]["labels"])
        ]
        for endpoint in monitor["spec"]["endpoints"]:
            (rule,) = [one for one in endpoint["relabelings"] if one["targetLabel"] == "job"]
            for service in services:
                if endpoint["port"] in {port["name"] for port in service["spec"]["ports"]}:
                    component = service["metadata"]["labels"].get("app.kubernetes.io/component", "")
                    found.add(rule["replacement"].replace("$1", component))
    return found


def _named(expression: str) -> set[str]:
    """`a-(b|c)` names two; nothing else of regular expressions is used for jobs."""
    found = re.fullmatch(r"([\w-]*)\(([\w|-]+)\)", expression)
    return {f"{found[1]}{one}" for one in found[2].split("|")} if found else {expression}


@pytest.mark.parametrize(("chart", "name"), WATCHED.items())
def test_every_job_of_an_alert_is_scraped(chart: str, name: str) -> None:
    text = "".join(path.read_text(encoding="utf-8") for path in sorted((CHARTS / chart / "rules").glob("*.yaml")))
    named = {job for expression in JOB.findall(text) for job in _named(expression)}
    assert named
    assert named - _jobs(rendered(chart, name)) == set()


@pytest.mark.parametrize(("chart", "name"), WATCHED.items())
def test_every_file_of_rules_is_in_the_render(chart: str, name: str) -> None:
    files = {path.stem for path in (CHARTS / chart / "rules").glob("*.yaml")}
    rules = {one["metadata"]["name"] for one in rendered(chart, name).of_kind("PrometheusRule")}
    assert len(rules) == len(files)
    assert all(any(rule.endswith(stem) for rule in rules) for stem in files)
    for rule in rendered(chart, name).of_kind("PrometheusRule"):
        assert [group for group in rule["spec"]["groups"] if not group["rules"]] == []

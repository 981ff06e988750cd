"""Metrics are named by Prometheus' rules, have labels that nobody can multiply, and stand in the documentation."""

from __future__ import annotations

import re

import pytest
from alerting import promtool, run_promtool
from exported_metrics import DOCUMENTS, documented_metrics, registered_metrics

NAME = re.compile(r"artstore(_[a-z][a-z0-9]*)+")
OF_A_HISTOGRAM = ("_seconds", "_bytes", "_changes")
UNBOUNDED = {"file_id", "upload_id", "path", "url", "user", "subject", "request_id", "trace_id", "filename", "address"}
REGISTERED = registered_metrics()


@pytest.mark.parametrize("language", DOCUMENTS)
def test_what_is_registered_is_documented(language: str) -> None:
    documented = documented_metrics(language)
    assert {name: metric for name, metric in REGISTERED.items() if documented.get(name) != metric} == {}


def test_both_languages_list_the_same() -> None:
    assert documented_metrics("en") == documented_metrics("ru")


@pytest.mark.parametrize("name", sorted(documented_metrics()))
def test_a_metric_is_named_by_the_rules(name: str) -> None:
    metric = documented_metrics()[name]
    assert NAME.fullmatch(name)
    assert (metric.kind == "counter") == name.endswith("_total")
    assert not metric.labels & UNBOUNDED
    assert metric.kind != "histogram" or name.endswith(OF_A_HISTOGRAM)


def test_every_metric_says_what_it_is() -> None:
    assert [name for name, metric in REGISTERED.items() if not metric.help] == []


@pytest.mark.skipif(promtool() is None, reason="promtool (package prometheus) is not there")
def test_promtool_has_nothing_to_say() -> None:
    checked = run_promtool("check", "metrics", given="".join(metric.exposition for metric in REGISTERED.values()))
    assert (checked.returncode, checked.stdout, checked.stderr) == (0, "", "")

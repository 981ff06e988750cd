"""Every alert fires when it should, says what it is about, and has a page that tells what to do."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
import yaml
from alerting import (
    DASHBOARDS,
    ROOT,
    RULE_FILES,
    RUNBOOKS,
    TEST_FILES,
    Alert,
    alerts,
    asked_for,
    cases,
    panel_queries,
    promtool,
    recorded,
    rules,
    run_promtool,
)
from known_metrics import known_series

ALERTS = alerts()
NAMES = sorted({alert.name for alert in ALERTS})
OF_THE_SCRAPE = {"job", "instance", "namespace"}
WITHOUT_PROMTOOL = pytest.mark.skipif(promtool() is None, reason="promtool (package prometheus) is not there")


@WITHOUT_PROMTOOL
def test_rules_are_rules() -> None:
    done = run_promtool("check", "rules", "--lint=all", "--lint-fatal", *RULE_FILES)
    assert done.returncode == 0, done.stdout + done.stderr


@WITHOUT_PROMTOOL
@pytest.mark.parametrize("path", TEST_FILES, ids=lambda path: path.name)
def test_alerts_fire_when_they_should(path: Path) -> None:
    done = run_promtool("test", "rules", path)
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.parametrize("name", NAMES)
def test_alert_has_a_test_in_which_it_fires_and_another_case_does_not(name: str) -> None:
    tests = [case for case in cases() if any(fired["alertname"] == name for fired in case.firing)]
    assert tests, "it fires in no test"
    for severity in {alert.severity for alert in ALERTS if alert.name == name}:
        assert any(
            fired["alertname"] == name and fired["severity"] == severity for case in tests for fired in case.firing
        )
    for case in tests:
        fired = {value for one in case.firing if one["alertname"] == name for value in one.values()}
        assert {value for series in case.series for value in series.values()} & {"good"} - fired


@pytest.mark.parametrize("alert", ALERTS, ids=lambda alert: f"{alert.name}-{alert.severity}")
def test_alert_says_what_it_is_about(alert: Alert) -> None:
    assert re.fullmatch(r"ArtStore[A-Z][A-Za-z]+", alert.name)
    assert alert.severity in {"critical", "warning"}
    assert alert.annotations.keys() == {"summary", "description", "runbook_url"}
    assert alert.annotations["runbook_url"] == f"docs/runbooks/{alert.name}.md"
    for fired in (fired for case in cases() for fired in case.firing if fired["alertname"] == alert.name):
        # A label that the expression adds up over would be shown as nothing.
        assert alert.labels_shown - {"namespace"} <= fired.keys()


@pytest.mark.parametrize("name", NAMES)
def test_alert_has_a_page_in_both_languages(name: str) -> None:
    for page in (RUNBOOKS / f"{name}.md", RUNBOOKS / f"{name}.ru.md"):
        text = page.read_text(encoding="utf-8")
        assert text.startswith(f"# {name}\n")
        assert text.count("\n## ") == 3, "what it means, where to look, what to do"


def test_no_page_is_left_of_an_alert_that_is_gone() -> None:
    pages = {path.name.split(".")[0] for path in RUNBOOKS.glob("ArtStore*.md")}
    assert pages == set(NAMES)
    for index in ("README.md", "README.ru.md"):
        listed = set(re.findall(r"\((ArtStore\w+)(?:\.ru)?\.md\)", (RUNBOOKS / index).read_text(encoding="utf-8")))
        assert listed == set(NAMES)


@pytest.mark.parametrize("path", RULE_FILES, ids=lambda path: str(path.relative_to(ROOT)))
def test_rules_ask_for_what_there_is(path: Path) -> None:
    known, own = known_series(), recorded()
    for rule in rules(path):
        for name, chosen_by in asked_for(rule["expr"]):
            if name == "up":
                assert chosen_by <= OF_THE_SCRAPE
            elif ":" in name:
                assert name in own
            else:
                assert name in known, name
                assert chosen_by <= {*known[name], "le", *OF_THE_SCRAPE}, (name, chosen_by)


def test_routes_that_are_chosen_by_are_routes_of_ours() -> None:
    """promtool's tests make up their series: by a route's old name an alert would be silent for ever, and pass them."""
    contracts = [yaml.load(path.read_text(encoding="utf-8"), yaml.CSafeLoader) for path in ROOT.glob("openapi/*.yaml")]
    known = {path for contract in contracts for path in contract["paths"]}
    exprs = [rule["expr"] for path in RULE_FILES for rule in rules(path)]
    exprs += [expr for path in DASHBOARDS.glob("*.json") for _, expr in panel_queries(path)]
    wanted = {chosen for expr in exprs for chosen in re.findall(r'\broute=~?"([^"]+)"', expr)}
    assert wanted
    assert [one for one in wanted if not any(re.fullmatch(one, path) for path in known)] == []


def test_rules_of_an_element_stand_alone() -> None:
    """It may run in a cluster whose Prometheus has none of the other rules."""
    for path in (ROOT / "charts/storage-element/rules").glob("*.yaml"):
        for rule in rules(path):
            assert not any(":" in name for name, _ in asked_for(rule["expr"]))

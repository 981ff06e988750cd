"""The rule files, their tests and the dashboards, as data; and what a PromQL expression asks for."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any, Final

import yaml

ROOT: Final = Path(__file__).parents[2]
RULE_FILES: Final = sorted(ROOT.glob("charts/*/rules/*.yaml"))
TEST_FILES: Final = sorted((ROOT / "tests/rules").glob("*.test.yaml"))
DASHBOARDS: Final = ROOT / "charts/artstore/dashboards"
RUNBOOKS: Final = ROOT / "docs/runbooks"

_STRING: Final = re.compile(r'"(?:[^"\\]|\\.)*"')
_SELECTOR: Final = re.compile(r"\b((?:artstore[_:]|process_)[a-zA-Z0-9_:]+|up|ALERTS)\b(?:\s*\{([^}]*)\})?")
_MATCHER: Final = re.compile(r"(\w+)\s*(?:=~|!~|!=|=)")
_JOB: Final = re.compile(r'job=~?"([^"]+)"')
_LABEL_USED: Final = re.compile(r"\$labels\.(\w+)")


@dataclass(frozen=True, slots=True)
class Alert:
    name: str
    expr: str
    severity: str
    annotations: Mapping[str, str]

    @property
    def labels_shown(self) -> set[str]:
        return set(_LABEL_USED.findall(" ".join(self.annotations.values())))


@dataclass(frozen=True, slots=True)
class Case:
    """A test of promtool's: the labels of its series, and of the alerts that it expects to fire."""

    series: list[dict[str, str]]
    firing: list[dict[str, str]]


def rules(path: Path) -> Iterator[dict[str, Any]]:
    for group in yaml.safe_load(path.read_text(encoding="utf-8"))["groups"]:
        yield from group["rules"]


def alerts() -> list[Alert]:
    return [
        Alert(rule["alert"], rule["expr"], rule["labels"]["severity"], rule["annotations"])
        for path in RULE_FILES
        for rule in rules(path)
        if "alert" in rule
    ]


def recorded() -> set[str]:
    return {rule["record"] for path in RULE_FILES for rule in rules(path) if "record" in rule}


def jobs_named(chart: str = "*") -> set[str]:
    """Values of the label `job` that a chart's rules choose by."""
    found: set[str] = set()
    for path in ROOT.glob(f"charts/{chart}/rules/*.yaml"):
        for choice in _JOB.findall(path.read_text(encoding="utf-8")):
            several = re.fullmatch(r"artstore-\(([^)]*)\)", choice)
            found |= {f"artstore-{one}" for one in several[1].split("|")} if several else {choice}
    return found


@cache
def cases() -> list[Case]:
    found = []
    for path in TEST_FILES:
        for test in yaml.safe_load(path.read_text(encoding="utf-8"))["tests"]:
            samples = [sample for asked in test["promql_expr_test"] for sample in asked["exp_samples"]]
            fired = [labels(one["labels"]) for one in samples if one["labels"].startswith("ALERTS")]
            found.append(Case([labels(one["series"]) for one in test["input_series"]], fired))
    return found


def labels(series: str) -> dict[str, str]:
    """`name{a="b"}` → {"a": "b"}"""
    return dict(re.findall(r'(\w+)="([^"]*)"', series))


def asked_for(expr: str) -> Iterator[tuple[str, set[str]]]:
    """Each series that an expression names, with the labels by which it chooses."""
    for name, matchers in _SELECTOR.findall(_STRING.sub('""', expr)):
        yield name, set(_MATCHER.findall(matchers))


def panel_queries(path: Path) -> Iterator[tuple[str, str]]:
    """(title, expression) of every query of a dashboard."""
    for panel in json.loads(path.read_text(encoding="utf-8"))["panels"]:
        for target in panel.get("targets", ()):
            yield panel["title"], target["expr"]


def promtool() -> Path | None:
    """The system's, or the one that requirements/install-promtool put beside Python."""
    beside = Path(sys.prefix) / "bin/promtool"
    found = shutil.which("promtool")
    if found:
        return Path(found)
    return beside if beside.exists() else None


def run_promtool(*arguments: str | Path, given: str | None = None) -> subprocess.CompletedProcess[str]:
    """`given`: what it reads from its input."""
    program = promtool()
    assert program is not None
    return subprocess.run([program, *arguments], input=given, capture_output=True, text=True, timeout=120, check=False)

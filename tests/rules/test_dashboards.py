"""The dashboards are what the code makes, and ask for what there is."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import yaml
from alerting import DASHBOARDS, ROOT, asked_for, panel_queries, promtool, recorded, run_promtool
from artstore_dashboards import boards, rendered
from known_metrics import known_series

FILES = sorted(DASHBOARDS.glob("*.json"))
WITHOUT_PROMTOOL = pytest.mark.skipif(promtool() is None, reason="promtool (package prometheus) is not there")
OF_THE_SCRAPE = {"job", "instance", "namespace"}


def test_dashboards_are_up_to_date() -> None:
    written = {path.stem: path.read_text(encoding="utf-8") for path in FILES}
    assert written == {board.uid: rendered(board) for board in boards()}, "run `make dashboards`"


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
def test_dashboard_asks_for_what_there_is(path: Path) -> None:
    known, own = known_series(), recorded()
    for title, expr in panel_queries(path):
        found = list(asked_for(expr))
        assert found, title
        for name, chosen_by in found:
            if name == "ALERTS":
                continue
            assert name in known or name in own, (title, name)
            assert chosen_by <= {*known.get(name, ()), *OF_THE_SCRAPE}, (title, name, chosen_by)


@WITHOUT_PROMTOOL
def test_queries_are_promql(tmp_path: Path) -> None:
    queries = [(title, expr) for path in FILES for title, expr in panel_queries(path)]
    as_rules = [
        {"record": f"dashboard:query:{number}", "expr": expr.replace("$__rate_interval", "5m")}
        for number, (_, expr) in enumerate(queries)
    ]
    written = tmp_path / "rules.yaml"
    written.write_text(yaml.safe_dump({"groups": [{"name": "dashboards", "rules": as_rules}]}), encoding="utf-8")
    done = run_promtool("check", "rules", "--lint=none", written)
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
def test_panels_do_not_overlap(path: Path) -> None:
    document = json.loads(path.read_text(encoding="utf-8"))
    taken: set[tuple[int, int]] = set()
    for panel in document["panels"]:
        place = panel["gridPos"]
        assert place["x"] + place["w"] <= 24
        cells = {
            (x, y)
            for x in range(place["x"], place["x"] + place["w"])
            for y in range(place["y"], place["y"] + place["h"])
        }
        assert not cells & taken, panel["title"]
        taken |= cells
    assert len({panel["id"] for panel in document["panels"]}) == len(document["panels"])


def test_metrics_nobody_looks_at_are_few() -> None:
    """A metric in no dashboard and no rule is a metric that nobody will find when it is needed."""
    seen = {name for path in FILES for _, expr in panel_queries(path) for name, _ in asked_for(expr)}
    for path in ROOT.glob("charts/*/rules/*.yaml"):
        seen |= {name for name, _ in asked_for(path.read_text(encoding="utf-8"))}
    base = {_base(name) for name in seen}
    missing = {_base(name) for name in known_series() if name.startswith("artstore_")} - base
    assert not missing


def _base(name: str) -> str:
    for ending in ("_bucket", "_count", "_sum"):
        name = name.removesuffix(ending)
    return name

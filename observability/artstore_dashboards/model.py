"""What a dashboard is made of, and its JSON as Grafana reads it (dashboard schema 39, Grafana 10 and later).

https://grafana.com/docs/grafana/latest/visualizations/dashboards/build-dashboards/view-dashboard-json-model/
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any, Final

Json = dict[str, Any]

SOURCE: Final[Json] = {"type": "prometheus", "uid": "${datasource}"}
_SCHEMA: Final = 39
_WHOLE_WIDTH: Final = 24


class Kind(StrEnum):
    """How a panel shows its series."""

    CURVES = "timeseries"
    NUMBER = "stat"
    TABLE = "table"
    STATES = "state-timeline"


@dataclass(frozen=True, slots=True)
class Query:
    """`legend` names a series by its labels: `{{job}}`. `exemplars`: dots that lead to traces."""

    expr: str
    legend: str = ""
    exemplars: bool = False


@dataclass(frozen=True, slots=True)
class Panel:
    """`unit` as Grafana calls it. `red_from`, `red_below`: where a number turns red. `width` of 24, `height` in rows of
    30 pixels. `tells`: one sentence on what to see in it."""

    title: str
    queries: Sequence[Query]
    unit: str = "short"
    kind: Kind = Kind.CURVES
    tells: str = ""
    width: int = 8
    height: int = 7
    red_from: float | None = None
    red_below: float | None = None
    stacked: bool = False


@dataclass(frozen=True, slots=True)
class Row:
    title: str
    panels: Sequence[Panel]


@dataclass(frozen=True, slots=True)
class Variable:
    """A choice at the top of the board: the values of a label."""

    name: str
    label: str
    query: str


@dataclass(frozen=True, slots=True)
class Dashboard:
    uid: str
    title: str
    rows: Sequence[Row]
    variables: Sequence[Variable] = field(default_factory=tuple)


def rendered(board: Dashboard) -> str:
    """The same board gives the same text."""
    return json.dumps(document(board), indent=1, ensure_ascii=False) + "\n"


def document(board: Dashboard) -> Json:
    return {
        "uid": board.uid,
        "title": board.title,
        "tags": ["artstore"],
        "schemaVersion": _SCHEMA,
        "version": 1,
        "editable": True,
        "graphTooltip": 1,
        "refresh": "30s",
        "time": {"from": "now-6h", "to": "now"},
        "links": [
            {"type": "dashboards", "title": "ArtStore", "tags": ["artstore"], "asDropdown": True, "keepTime": True}
        ],
        "templating": {"list": [_source_choice(), *(_choice(one) for one in board.variables)]},
        "annotations": {"list": []},
        "panels": list(_placed(board.rows)),
    }


def _placed(rows: Sequence[Row]) -> Iterator[Json]:
    """From left to right, each row of the board under the one before."""
    number, top = 0, 0
    for row in rows:
        number += 1
        place = {"x": 0, "y": top, "w": _WHOLE_WIDTH, "h": 1}
        yield {"id": number, "type": "row", "title": row.title, "collapsed": False, "panels": [], "gridPos": place}
        top, left, deepest = top + 1, 0, 0
        for panel in row.panels:
            if left + panel.width > _WHOLE_WIDTH:
                top, left, deepest = top + deepest, 0, 0
            number += 1
            place = {"x": left, "y": top, "w": panel.width, "h": panel.height}
            yield {"id": number, "gridPos": place, **_panel(panel)}
            left, deepest = left + panel.width, max(deepest, panel.height)
        top += deepest


def _panel(panel: Panel) -> Json:
    table = panel.kind is Kind.TABLE
    return {
        "type": panel.kind.value,
        "title": panel.title,
        "description": panel.tells,
        "datasource": SOURCE,
        "targets": [_target(query, chr(ord("A") + place), table) for place, query in enumerate(panel.queries)],
        "fieldConfig": {"defaults": _defaults(panel), "overrides": []},
        "options": _OPTIONS[panel.kind],
    }


def _target(query: Query, letter: str, table: bool) -> Json:
    return {
        "refId": letter,
        "datasource": SOURCE,
        "expr": query.expr,
        "legendFormat": query.legend or "__auto",
        "exemplar": query.exemplars,
        "instant": table,
        "range": not table,
        "format": "table" if table else "time_series",
    }


def _defaults(panel: Panel) -> Json:
    custom: Json = {}
    if panel.kind is Kind.CURVES:
        custom = {"fillOpacity": 20 if panel.stacked else 5, "showPoints": "never", "lineWidth": 1}
        if panel.stacked:
            custom["stacking"] = {"mode": "normal", "group": "A"}
    return {"unit": panel.unit, "min": 0, "custom": custom, "thresholds": _thresholds(panel)}


def _thresholds(panel: Panel) -> Json:
    steps: list[Json] = [{"color": "red" if panel.red_below is not None else "green", "value": None}]
    if panel.red_from is not None:
        steps.append({"color": "red", "value": panel.red_from})
    if panel.red_below is not None:
        steps.append({"color": "green", "value": panel.red_below})
    return {"mode": "absolute", "steps": steps}


_LEGEND: Final[Json] = {"displayMode": "list", "placement": "bottom", "showLegend": True}
_OPTIONS: Final[dict[Kind, Json]] = {
    Kind.CURVES: {"legend": _LEGEND, "tooltip": {"mode": "multi", "sort": "desc"}},
    Kind.NUMBER: {"reduceOptions": {"calcs": ["lastNotNull"], "fields": "", "values": False}, "colorMode": "value"},
    Kind.TABLE: {"showHeader": True},
    Kind.STATES: {"legend": _LEGEND, "mergeValues": True, "showValue": "never", "rowHeight": 0.8},
}


def _source_choice() -> Json:
    return {"name": "datasource", "label": "Prometheus", "type": "datasource", "query": "prometheus", "refresh": 1}


def _choice(variable: Variable) -> Json:
    return {
        "name": variable.name,
        "label": variable.label,
        "type": "query",
        "datasource": SOURCE,
        "query": {"query": variable.query, "refId": variable.name},
        "refresh": 2,
        "sort": 1,
        "multi": True,
        "includeAll": True,
        "allValue": ".*",
        "current": {"selected": True, "text": ["All"], "value": ["$__all"]},
    }

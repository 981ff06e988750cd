"""What the charts took from the code is what the code says, and every value is described."""

from __future__ import annotations

import re
from typing import Any

import pytest
import yaml
from artstore_gateway.routes import ROUTES, Access, Resource, Route
from chart_renders import CHARTS
from helm_python import Chart

from charts.generate import MATCHES_A_RULE, RULES_A_ROUTE, files
from charts.values_table import rows, undescribed

HOST = "files.example.com"
PREFIX = "art-artstore-"


@pytest.fixture(scope="module")
def manifests() -> list[dict[str, Any]]:
    values = {"gateway": {"host": HOST, "cors": {"origins": ["https://app.example.com"]}}}
    rendered = Chart.load(CHARTS / "artstore").render(values, name="art", namespace="artstore")
    texts = [text for path, text in rendered.items() if path.endswith(".yaml")]
    return [found for text in texts for found in yaml.safe_load_all(text) if found]


def of_kind(manifests: list[dict[str, Any]], kind: str) -> dict[str, dict[str, Any]]:
    found = (one for one in manifests if one["kind"] == kind)
    return {one["metadata"]["name"].removeprefix(PREFIX): one["spec"] for one in found}


def test_generated_files_are_up_to_date() -> None:
    for path, text in files().items():
        assert path.read_text() == text, f"{path.name}: run `make charts` and read the difference"


@pytest.mark.parametrize("chart", ["artstore", "storage-element"])
def test_every_value_is_described(chart: str) -> None:
    text = (CHARTS / chart / "values.yaml").read_text()
    assert undescribed(text) == []
    assert all(row.words.endswith((".", "`")) for row in rows(text))


def _fits(match: dict[str, Any], path: str, method: str | None, preflight: bool) -> bool:
    kind, value = match["path"]["type"], match["path"]["value"]
    same = path == value if kind == "Exact" else re.fullmatch(value, path) is not None
    if kind == "PathPrefix":
        same = path.startswith(value)
    return same and match.get("method") in (None, method) and (preflight or "headers" not in match)


def _chosen(routes: dict[str, dict[str, Any]], path: str, method: str, *, preflight: bool = False) -> tuple[str, Any]:
    """The route and rule that take a request, by the precedence of Gateway API and Envoy Gateway's order of kinds:
    exact, expression, prefix; the longer one; the one with more conditions on method and headers."""
    kinds = {"Exact": 2, "RegularExpression": 1, "PathPrefix": 0}
    fitting = [
        (
            (
                kinds[match["path"]["type"]],
                len(match["path"]["value"]),
                ("method" in match) + len(match.get("headers", ())),
            ),
            name,
            rule,
        )
        for name, spec in routes.items()
        for rule in spec["rules"]
        for match in rule.get("matches", ())
        if _fits(match, path, method, preflight)
    ]
    _, name, rule = max(fitting, key=lambda one: one[0])
    return name, rule


def _example(resource: Resource) -> str:
    below = re.sub(r"\{\w+\}", "0199-x", resource.path.removesuffix("/**"))
    return f"{below}/a/b" if resource.path.endswith("/**") else below


CASES = [(resource, route, method) for resource in ROUTES for route in resource.routes for method in route.methods]


@pytest.mark.parametrize(
    ("resource", "route", "method"), CASES, ids=lambda one: getattr(one, "path", None) or str(one)[:12]
)
def test_every_request_goes_where_the_gateway_sends_it(
    manifests: list[dict[str, Any]], resource: Resource, route: Route, method: str
) -> None:
    routes = of_kind(manifests, "HTTPRoute")
    name, rule = _chosen(routes, _example(resource), method)
    assert rule["backendRefs"][0]["name"] == f"{PREFIX}{route.service.value}"
    assert _policy(manifests, "BackendTrafficPolicy", name) == ("streams" if route.streams else "plain")
    guarded = {Access.PUBLIC: None, Access.TOKEN: False, Access.TOKEN_OR_TICKET: True}[route.access]
    policy = of_kind(manifests, "SecurityPolicy")[_policy(manifests, "SecurityPolicy", name)]
    assert policy.get("jwt", {}).get("optional") is guarded


def _policy(manifests: list[dict[str, Any]], kind: str, route: str) -> str:
    """The one policy of this kind that a route has: Envoy Gateway takes one and calls a second one a conflict."""
    (name,) = [
        name
        for name, spec in of_kind(manifests, kind).items()
        if f"{PREFIX}{route}" in [target["name"] for target in spec["targetRefs"]]
    ]
    return name


@pytest.mark.parametrize("resource", ROUTES, ids=lambda one: one.path)
def test_other_methods_hear_what_is_allowed(manifests: list[dict[str, Any]], resource: Resource) -> None:
    name, rule = _chosen(of_kind(manifests, "HTTPRoute"), _example(resource), "TRACE")
    assert name.startswith("refused-")
    told = {header["name"]: header["value"] for header in rule["filters"][0]["responseHeaderModifier"]["set"]}
    assert told["Allow"] == ", ".join(resource.methods)
    assert rule["filters"][1]["extensionRef"]["name"] == f"{PREFIX}405"


@pytest.mark.parametrize("path", ["/", "/health/ready", "/metrics", "/api/v1/registry/files/a/b", "/_element/x"])
def test_what_the_gateway_does_not_have_is_not_found(manifests: list[dict[str, Any]], path: str) -> None:
    assert _chosen(of_kind(manifests, "HTTPRoute"), path, "GET")[0] == "unknown"


@pytest.mark.parametrize("resource", ROUTES, ids=lambda one: one.path)
def test_preflights_are_answered_everywhere(manifests: list[dict[str, Any]], resource: Resource) -> None:
    name, _ = _chosen(of_kind(manifests, "HTTPRoute"), _example(resource), "OPTIONS", preflight=True)
    assert name == "preflight"
    assert _policy(manifests, "SecurityPolicy", name) == "public"


def test_no_route_holds_more_than_gateway_api_allows(manifests: list[dict[str, Any]]) -> None:
    for name, spec in of_kind(manifests, "HTTPRoute").items():
        assert len(spec["rules"]) <= RULES_A_ROUTE, name
        assert all(len(rule.get("matches", ())) <= MATCHES_A_RULE for rule in spec["rules"]), name

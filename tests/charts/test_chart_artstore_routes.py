"""What charts/artstore tells Envoy Gateway of its routes, beyond the table that test_charts_generated looks at."""

from __future__ import annotations

import copy
from typing import Any

import helm_python
import pytest
from artstore_gateway import GatewaySettings
from chart_renders import Rendered, load_set, render, rendered

ELEMENT = {"id": "se-1", "url": "https://se-1.example.com:8010", "route": "ibny3gz2r6on625f7dj74gis"}


def _release(**changes: Any) -> Rendered:
    return render("artstore", {**load_set("artstore", "minimal")["values"], **changes}, {"name": "artstore"})


def _routes(release: Rendered) -> dict[str, Any]:
    return {one["metadata"]["name"]: one["spec"] for one in release.of_kind("HTTPRoute")}


def _targets(policy: dict[str, Any]) -> list[str]:
    return [target["name"] for target in policy["spec"]["targetRefs"]]


def test_bytes_may_stand_still_as_long_as_at_the_local_gateway() -> None:
    """Where a route says nothing of its own, Envoy Gateway lets the ClientTrafficPolicy's time count, which is for the rest."""
    release = rendered("artstore", "production")
    streams = {f"{GatewaySettings.model_validate({}).bytes_idle_seconds}s"}
    told = {
        name: policy["spec"]["timeout"]["http"].get("streamIdleTimeout")
        for policy in release.of_kind("BackendTrafficPolicy")
        for name in _targets(policy)
    }
    long = {name: time for name, time in told.items() if "-stream" in name or "-element-" in name}
    assert set(long.values()) == streams, long
    assert {time for name, time in told.items() if name not in long} == {None}


def test_a_stream_is_not_copied_for_a_retry_that_never_comes() -> None:
    """Any `retry` makes Envoy Gateway write a policy with conditions, for whose sake Envoy keeps the body; 0 tries or not."""
    for policy in rendered("artstore", "production").of_kind("BackendTrafficPolicy"):
        if policy["metadata"]["name"].endswith(("-streams", "-element-parts")):
            assert "retry" not in policy["spec"], policy["metadata"]["name"]


def test_a_page_of_an_allowed_origin_may_read_every_answer() -> None:
    """Those of elements too: a redirect that Envoy follows takes its answer's headers from the route where it ends."""
    release = rendered("artstore", "production")
    readable = [name for one in release.of_kind("SecurityPolicy") if "cors" in one["spec"] for name in _targets(one)]
    assert sorted(readable) == sorted(_routes(release).keys() - {"prod-artstore-https"})
    (rule,) = [
        rule
        for rule in _routes(release)["prod-artstore-preflight"]["rules"]
        if rule["matches"][0]["path"]["value"].startswith("/_element/")
    ]
    assert rule["matches"][0]["method"] == "OPTIONS"


def test_parts_go_to_elements_whether_or_not_downloads_do() -> None:
    """Their addresses are given to clients in any case: without the route each would end in 404."""
    release = _release(elements=[ELEMENT, {"id": "se-2", "url": "https://se-2.example.com"}])
    (match,) = _routes(release)["artstore-element-se-1-parts"]["rules"][0]["matches"]
    assert match["path"]["value"].startswith("/_element/ibny3gz2r6on625f7dj74gis/api/v1/uploads/")
    assert [name for name in _routes(release) if "-element-" in name] == ["artstore-element-se-1-parts"]
    assert release.of_kind("EnvoyPatchPolicy") == []
    assert len(release.of_kind("Backend")) == 1
    (query,) = [pod for pod in release.pods() if str(pod) == "Deployment/artstore-query"]
    assert "QM_REDIRECT" not in [one["name"] for one in query.spec["containers"][0]["env"]]


def test_notes_tell_of_uploads_that_find_no_way() -> None:
    assert "signed parts" in _release(elements=[{"id": "se-1", "url": "https://se-1.example.com"}]).notes
    assert "signed parts" not in _release(elements=[ELEMENT]).notes


@pytest.mark.parametrize("url", ["https://192.0.2.7:8010", "https://192.0.2.7"])
def test_a_route_to_an_address_is_refused(url: str) -> None:
    """Envoy Gateway wants the certificate to bear the url's name as a name; an address in it is never one."""
    with pytest.raises(helm_python.HelmRenderError, match="se-1 has a route"):
        _release(elements=[{**ELEMENT, "url": url}])
    without = copy.deepcopy(ELEMENT)
    del without["route"]
    _release(elements=[{**without, "url": url}])

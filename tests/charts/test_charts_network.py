"""NetworkPolicies cut nothing off that is needed, whatever a cluster's network is made of."""

from __future__ import annotations

from typing import Any

import pytest
from chart_renders import all_sets, load_set, render, rendered
from chart_selectors import matches

NAMES = {(53, "UDP"), (53, "TCP")}

each_set = pytest.mark.parametrize(("chart", "name"), all_sets())


def _ports(rule: dict[str, Any]) -> set[tuple[int | str, str]]:
    return {(port["port"], port.get("protocol", "TCP")) for port in rule["ports"]}


@each_set
def test_names_may_be_asked_of_whoever_tells_them(chart: str, name: str) -> None:
    """NodeLocal DNSCache answers on the node, and a cloud's own DNS on an address of no pod: no selector finds them."""
    release = rendered(chart, name)
    for pod in release.pods():
        about = [
            rule
            for one in release.of_kind("NetworkPolicy")
            if matches(one["spec"]["podSelector"], pod.labels)
            for rule in one["spec"].get("egress", ())
            if _ports(rule) == NAMES
        ]
        alone = pod.labels["app.kubernetes.io/component"] == "job"  # works on its disk, and asks nobody
        if release.of_kind("NetworkPolicy") and not alone:
            assert [rule for rule in about if "to" not in rule], str(pod)


def test_what_is_outside_may_also_be_in_this_cluster() -> None:
    """An `ipBlock` is for addresses outside: Cilium, for one, finds no pod in it."""
    values = load_set("artstore", "s3")["values"]
    release = render("artstore", {**values, "database": {"bundled": False, "host": "db.postgres.svc"}})
    seen = 0
    for policy in release.of_kind("NetworkPolicy"):
        for rule in policy["spec"].get("egress", ()):
            if any("ipBlock" in peer for peer in rule.get("to", ())):
                assert {"namespaceSelector": {}} in rule["to"], policy["metadata"]["name"]
                seen += 1
    assert seen > 5
    none = render("artstore", {**values, "networkPolicy": {"egress": {"peers": [], "cidrs": ["10.0.0.0/8"]}}})
    (rule,) = none.one("NetworkPolicy", "test-artstore-ingester")["spec"]["egress"][:1]
    assert rule["to"] == [{"ipBlock": {"cidr": "10.0.0.0/8"}}]

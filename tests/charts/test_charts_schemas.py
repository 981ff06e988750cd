"""Every manifest against Kubernetes' schemas of three versions, and custom resources against those that packages carry."""

from __future__ import annotations

from pathlib import Path

import pytest
from chart_crds import installed_definitions, wrong
from chart_renders import Manifest, all_sets, name_of, rendered
from chart_schemas import VERSIONS, findings, is_known


@pytest.mark.parametrize("version", VERSIONS)
@pytest.mark.parametrize(("chart", "name"), all_sets())
def test_kubernetes_accepts_every_manifest(chart: str, name: str, version: str) -> None:
    manifests = [manifest for manifest in rendered(chart, name).manifests if is_known(manifest)]
    assert manifests
    assert [finding for manifest in manifests for finding in findings(manifest, version)] == []


@pytest.mark.parametrize(
    ("change", "word"),
    [
        ({"spec": {"podManagementPolicyy": "Parallel"}}, "podManagementPolicyy"),
        ({"spec": {"replicas": "one"}}, "replicas"),
    ],
)
def test_a_slip_is_found(change: dict[str, dict[str, str]], word: str) -> None:
    manifest = rendered("storage-element", "minimal").one("StatefulSet")
    broken = {**manifest, "spec": {**manifest["spec"], **change["spec"]}}
    for version in VERSIONS:
        assert any(word in finding for finding in findings(broken, version))


def test_custom_resources_fit_their_definitions(tmp_path: Path) -> None:
    custom = {
        f"{chart}/{name}: {name_of(manifest)}": manifest
        for chart, name in all_sets()
        for manifest in rendered(chart, name).manifests
        if not is_known(manifest)
    }
    bad = _slips()
    found = wrong([*custom.values(), *bad], installed_definitions(tmp_path))
    assert {name: words for name, words in zip(custom, found, strict=False) if words} == {}
    # Else a definition that could not be read would let everything through.
    assert [words for words in found[len(custom) :] if not words] == []


def _slips() -> list[Manifest]:
    """Each with one thing that its definition must not let pass."""
    element = rendered("storage-element", "gateway")
    route, certificate = element.one("TLSRoute"), element.one("Certificate")
    policy = rendered("artstore", "minimal").one("ClientTrafficPolicy")
    return [
        {**route, "apiVersion": "gateway.networking.k8s.io/v0"},
        {**route, "spec": {**route["spec"], "hostname": "one.example.com"}},
        {**route, "spec": {**route["spec"], "hostnames": "one.example.com"}},
        {**route, "spec": {**route["spec"], "hostnames": [f"{n}.example.com" for n in range(17)]}},
        {**route, "spec": {**route["spec"], "rules": [{"backendRefs": [{"name": "x", "prot": 443}]}]}},
        {**certificate, "spec": {**certificate["spec"], "privateKey": {"algorithm": "DSA"}}},
        {**certificate, "spec": {**certificate["spec"], "issuerRef": {"kind": "Issuer"}}},
        {**policy, "spec": {**policy["spec"], "path": {"escapedSlashes": "RejectRequest"}}},
    ]

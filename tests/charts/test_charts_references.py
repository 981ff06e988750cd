"""What a manifest names is there: Secrets and their keys, Services and their ports, pods behind selectors."""

from __future__ import annotations

import copy
from dataclasses import replace

import pytest
from chart_references import dangling, unused_externals
from chart_renders import Manifest, Rendered, all_sets, rendered
from chart_selectors import lost_selectors

each_set = pytest.mark.parametrize(("chart", "name"), all_sets())


@each_set
def test_every_reference_leads_somewhere(chart: str, name: str) -> None:
    assert dangling(rendered(chart, name)) == []


@each_set
def test_what_is_called_external_is_needed(chart: str, name: str) -> None:
    assert unused_externals(rendered(chart, name)) == []


@each_set
def test_every_selector_finds_its_pods_and_ports(chart: str, name: str) -> None:
    assert lost_selectors(rendered(chart, name)) == []


def _changed(kind: str, name: str | None, path: str, value: object) -> Rendered:
    """The set `gateway`, with the field at `path` (dots and numbers) of one manifest changed."""
    render = rendered("storage-element", "gateway")
    chosen = render.one(kind, name)
    manifest: Manifest = copy.deepcopy(chosen)
    *way, last = [int(part) if part.isdigit() else part for part in path.split(".")]
    node: object = manifest
    for part in way:
        node = node[part]  # type: ignore[index]
    node[last] = value  # type: ignore[index]
    return replace(render, manifests=tuple(manifest if one is chosen else one for one in render.manifests))


@pytest.mark.parametrize(
    ("kind", "path", "value", "told"),
    [
        ("StatefulSet", "spec.template.spec.volumes.2.secret.secretName", "gone", "Secret/gone#tls.crt"),
        ("StatefulSet", "spec.template.spec.volumes.2.secret.items.0.key", "cert", "Secret/media-1-tls#cert"),
        ("StatefulSet", "spec.template.spec.volumes.0.persistentVolumeClaim.claimName", "gone", "PersistentVolumeClaim/gone"),
        ("StatefulSet", "spec.template.spec.containers.0.volumeMounts.0.name", "gone", "volume/gone"),
        ("StatefulSet", "spec.template.spec.serviceAccountName", "gone", "ServiceAccount/gone"),
        ("StatefulSet", "spec.serviceName", "gone", "Service/gone"),
        ("StatefulSet", "spec.template.spec.containers.0.env.0.value", "http://gone:8000/x", "Service/gone:8000"),
        ("TLSRoute", "spec.rules.0.backendRefs.0.port", 444, "Service/media-1:444"),
        ("TLSRoute", "spec.parentRefs.0.name", "gone", "Gateway/gone"),
        ("ServiceMonitor", "spec.endpoints.0.tlsConfig.ca.secret.name", "gone", "Secret/gone#ca.crt"),
        ("Certificate", "spec.issuerRef.name", "gone", "ClusterIssuer/gone"),
    ],
)  # fmt: skip
def test_the_check_sees_what_leads_nowhere(kind: str, path: str, value: object, told: str) -> None:
    assert told in [found.partition(" -> ")[2] for found in dangling(_changed(kind, None, path, value))]


@pytest.mark.parametrize(
    ("kind", "name", "path", "value"),
    [
        ("Service", "media-1", "spec.selector", {"app": "gone"}),
        ("Service", "media-1", "spec.ports.0.targetPort", "http"),
        ("StatefulSet", None, "spec.selector.matchLabels", {"app": "gone"}),
        ("NetworkPolicy", "media-1", "spec.podSelector.matchLabels", {"app": "gone"}),
        ("NetworkPolicy", "media-1", "spec.ingress.0.ports.0.port", "http"),
        ("ServiceMonitor", None, "spec.selector.matchLabels", {"app": "gone"}),
    ],
)
def test_the_check_sees_selectors_that_find_nothing(kind: str, name: str | None, path: str, value: object) -> None:
    assert lost_selectors(_changed(kind, name, path, value)) != []

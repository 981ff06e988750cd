"""Every set of values: Helm's own checks, and what holds for all manifests."""

from __future__ import annotations

import re

import helm_python
import pytest
from chart_renders import CHARTS, all_sets, load_set, name_of, rendered, sets

CHART_NAMES = sorted(path.parent.name for path in CHARTS.glob("*/Chart.yaml"))
WARNING = 2
CLUSTER_WIDE = {"ClusterRole", "ClusterRoleBinding", "GatewayClass", "Namespace", "PriorityClass", "StorageClass"}
LABELS = {
    "app.kubernetes.io/name",
    "app.kubernetes.io/instance",
    "app.kubernetes.io/version",
    "app.kubernetes.io/part-of",
}
A_NAME = re.compile(r"[a-z0-9]([a-z0-9.-]{0,61}[a-z0-9])?")

each_set = pytest.mark.parametrize(("chart", "name"), all_sets())


def test_there_are_sets_enough() -> None:
    assert CHART_NAMES == ["artstore", "storage-element"]
    assert len(sets("artstore")) >= 6
    assert len(sets("storage-element")) >= 3


@each_set
def test_lint_has_nothing_to_say(chart: str, name: str) -> None:
    found = load_set(chart, name)
    report = helm_python.lint(CHARTS / chart, found["values"], strict=True, namespace="artstore")
    assert report["errors"] == []
    assert [one for one in report["messages"] if one["severity"] >= WARNING] == []


@each_set
def test_manifests_are_named_and_labelled(chart: str, name: str) -> None:
    manifests = rendered(chart, name).manifests
    names = [name_of(manifest) for manifest in manifests]
    assert len(names) == len(set(names)), sorted(one for one in names if names.count(one) > 1)
    for manifest in manifests:
        assert A_NAME.fullmatch(manifest["metadata"]["name"]), name_of(manifest)
        assert manifest["metadata"].get("labels", {}).keys() >= LABELS, name_of(manifest)


@each_set
def test_only_the_release_says_where_it_lives(chart: str, name: str) -> None:
    """A namespace in a manifest would win over `--namespace`."""
    render = rendered(chart, name)
    stray = [
        name_of(manifest)
        for manifest in render.manifests
        if manifest["metadata"].get("namespace", render.namespace) != render.namespace
        or manifest["kind"] in CLUSTER_WIDE
    ]
    assert stray == []


@each_set
def test_notes_say_something_and_rendering_is_repeatable(chart: str, name: str) -> None:
    """What comes out differently each time (a random password) would change a running release on every upgrade."""
    render = rendered(chart, name)
    assert len(render.notes.strip()) > 100
    rendered.cache_clear()
    assert rendered(chart, name).files == render.files

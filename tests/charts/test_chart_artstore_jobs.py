"""A Job's pods cannot be changed in a cluster, so in charts/artstore another Job must have another name."""

from __future__ import annotations

from typing import Any

import pytest
from chart_renders import Manifest, Rendered, load_set, render

TOLERATION = {"key": "dedicated", "operator": "Exists"}


def _release(**changes: Any) -> Rendered:
    return render("artstore", {**load_set("artstore", "minimal")["values"], **changes}, {"name": "art"})


def _templates(release: Rendered) -> dict[str, Manifest]:
    return {job["metadata"]["name"]: job["spec"]["template"] for job in release.of_kind("Job")}


@pytest.mark.parametrize(
    "change",
    [
        {"image": {"pullSecrets": ["registry"]}},
        {"image": {"pullPolicy": "Always"}},
        {"image": {"tag": "0.2.0"}},
        {"jobs": {"resources": {"requests": {"cpu": "1"}}}},
        {"commonLabels": {"team": "media"}},
        {"pod": {"tolerations": [TOLERATION]}},
        {"logging": {"level": "debug"}},
    ],
    ids=str,
)
def test_a_job_whose_pod_changes_is_another_job(change: dict[str, Any]) -> None:
    before, after = _templates(_release()), _templates(_release(**change))
    assert [name for name in before.keys() & after.keys() if before[name] != after[name]] == []
    assert before.keys() != after.keys()


def test_the_same_values_are_the_same_jobs() -> None:
    assert _templates(_release()) == _templates(_release())


def test_a_cluster_of_tainted_nodes_takes_every_pod() -> None:
    """One Job that finds no node, and everybody waits for it."""
    node = {"nodeSelector": {"kubernetes.io/arch": "amd64"}, "tolerations": [TOLERATION], "priorityClassName": "high"}
    for pod in _release(pod=node).pods():
        assert {key: pod.spec.get(key) for key in node} == node, str(pod)


def test_a_new_version_of_artstore_does_not_restart_the_bundled_database() -> None:
    def database(tag: str) -> Manifest:
        found: Manifest = _release(image={"tag": tag}).one("StatefulSet")["spec"]["template"]
        return found

    assert database("0.1.0") == database("0.2.0")

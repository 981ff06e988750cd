"""Pod Security "restricted", and rules of our own for every container. `make chart-policy` asks checkov as well."""

from __future__ import annotations

import copy
from typing import Any

import pytest
from chart_pod_security import violations
from chart_renders import Manifest, Pod, all_sets, rendered
from chart_selectors import matches

each_set = pytest.mark.parametrize(("chart", "name"), all_sets())
ONCE = {"Job", "CronJob", "Pod"}


@each_set
def test_pod_security_restricted(chart: str, name: str) -> None:
    pods = rendered(chart, name).pods()
    assert pods
    assert {str(pod): found for pod in pods if (found := violations(pod))} == {}


@each_set
def test_images_are_named_by_version(chart: str, name: str) -> None:
    for pod in rendered(chart, name).pods():
        for container in pod.containers():
            image = container["image"]
            tag = image.rpartition("/")[2].partition(":")[2]
            assert "@sha256:" in image or (tag and tag != "latest"), f"{pod} {container['name']}: {image}"


@each_set
def test_one_value_moves_every_image(chart: str, name: str) -> None:
    registry = rendered(chart, name).values.get("image", {}).get("registry", "docker.io")
    images = {container["image"] for pod in rendered(chart, name).pods() for container in pod.containers()}
    assert {image for image in images if not image.startswith(f"{registry}/")} == set()


@each_set
def test_every_container_is_bounded_and_writes_nowhere(chart: str, name: str) -> None:
    for pod in rendered(chart, name).pods():
        for container in pod.containers():
            where = f"{pod} {container['name']}"
            resources = container.get("resources") or {}
            assert {"cpu", "memory"} <= (resources.get("requests") or {}).keys(), where
            # No limit for CPU: it would slow a service down on a node that has nothing else to do.
            assert "memory" in (resources.get("limits") or {}), where
            assert container["securityContext"].get("readOnlyRootFilesystem") is True, where


@each_set
def test_what_runs_for_long_is_probed_and_has_time_to_end(chart: str, name: str) -> None:
    for pod in rendered(chart, name).pods():
        if pod.owner["kind"] in ONCE:
            assert pod.owner["kind"] != "Job" or "backoffLimit" in pod.owner["spec"], str(pod)
            continue
        for container in pod.spec["containers"]:
            where = f"{pod} {container['name']}"
            assert {"livenessProbe", "readinessProbe"} <= container.keys(), where
            # Away is not dead: were liveness to ask for dependencies, all pods would be killed with the database.
            assert container["livenessProbe"] != container["readinessProbe"], where
        assert pod.spec.get("terminationGracePeriodSeconds", 30) >= 30, str(pod)


@each_set
def test_nobody_gets_the_cluster_s_token_unasked(chart: str, name: str) -> None:
    """Only a pod whose account is bound to a role has one."""
    render = rendered(chart, name)
    bound = {subject["name"] for binding in render.of_kind("RoleBinding") for subject in binding["subjects"]}
    for pod in render.pods():
        account = pod.spec.get("serviceAccountName", "default")
        assert pod.spec.get("automountServiceAccountToken") is False or account in bound, str(pod)


@each_set
def test_secrets_come_as_files(chart: str, name: str) -> None:
    """An environment is seen by every child, and by whoever may look at the process."""
    for pod in rendered(chart, name).pods():
        if pod.spec["containers"][0]["image"].rpartition("/")[2].startswith("postgres"):
            continue  # psql knows no file but one of its own form
        for container in pod.containers():
            assert not any("secretRef" in one for one in container.get("envFrom") or ()), str(pod)
            for variable in container.get("env") or ():
                assert "secretKeyRef" not in (variable.get("valueFrom") or {}), f"{pod} {variable['name']}"


def _pod() -> Manifest:
    return copy.deepcopy(rendered("storage-element", "minimal").one("StatefulSet"))


def _container(pod: Manifest) -> Manifest:
    found: Manifest = pod["spec"]["template"]["spec"]["containers"][0]
    return found


@pytest.mark.parametrize(
    ("change", "word"),
    [
        ({"privileged": True}, "privileged"),
        ({"allowPrivilegeEscalation": True}, "allowPrivilegeEscalation"),
        ({"allowPrivilegeEscalation": None}, "allowPrivilegeEscalation"),
        ({"runAsNonRoot": False}, "runAsNonRoot"),
        ({"runAsUser": 0}, "runAsUser"),
        ({"capabilities": {}}, "ALL"),
        ({"capabilities": {"drop": ["ALL"], "add": ["NET_RAW"]}}, "NET_RAW"),
        ({"procMount": "Unmasked"}, "procMount"),
        ({"seccompProfile": {"type": "Unconfined"}}, "seccompProfile"),
        ({"appArmorProfile": {"type": "Unconfined"}}, "appArmorProfile"),
        ({"seLinuxOptions": {"user": "root"}}, "seLinuxOptions"),
        ({"windowsOptions": {"hostProcess": True}}, "hostProcess"),
    ],
)
def test_the_check_sees_a_container_that_may_too_much(change: dict[str, Any], word: str) -> None:
    pod = _pod()
    _container(pod)["securityContext"] |= change
    assert any(word in found for found in violations(Pod(pod, pod["spec"]["template"])))


@pytest.mark.parametrize(
    ("change", "word"),
    [
        ({"hostNetwork": True}, "hostNetwork"),
        ({"hostPID": True}, "hostPID"),
        ({"volumes": [{"name": "host", "hostPath": {"path": "/"}}]}, "hostPath"),
        ({"volumes": [{"name": "share", "nfs": {"server": "x", "path": "/"}}]}, "nfs"),
        ({"securityContext": {"runAsNonRoot": True}}, "no seccompProfile"),
        ({"securityContext": {"sysctls": [{"name": "kernel.msgmax", "value": "1"}]}}, "kernel.msgmax"),
    ],
)
def test_the_check_sees_a_pod_that_may_too_much(change: dict[str, Any], word: str) -> None:
    pod = _pod()
    pod["spec"]["template"]["spec"] |= change
    assert any(word in found for found in violations(Pod(pod, pod["spec"]["template"])))


def test_the_check_sees_ports_and_probes_of_the_node() -> None:
    pod = _pod()
    _container(pod)["ports"][0]["hostPort"] = 8010
    _container(pod)["livenessProbe"]["httpGet"]["host"] = "169.254.169.254"
    found = violations(Pod(pod, pod["spec"]["template"]))
    assert found == ["element: hostPort", "element: livenessProbe: host"]


@each_set
def test_every_pod_is_in_a_network_policy_of_both_directions(chart: str, name: str) -> None:
    render = rendered(chart, name)
    if render.values.get("networkPolicy", {}).get("enabled") is False:
        assert render.of_kind("NetworkPolicy") == []
        return
    for pod in render.pods():
        about = [
            one["spec"] for one in render.of_kind("NetworkPolicy") if matches(one["spec"]["podSelector"], pod.labels)
        ]
        directions = {direction for spec in about for direction in spec["policyTypes"]}
        assert directions == {"Ingress", "Egress"}, str(pod)

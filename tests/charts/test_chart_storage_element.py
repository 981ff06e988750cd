"""What charts/storage-element promises beyond being well-formed."""

from __future__ import annotations

import copy
from typing import Any

import helm_python
import pytest
from artstore_kit.settings import VerifyingSettings
from chart_renders import Manifest, Rendered, load_set, render, rendered
from storage_element.config import Settings

CHART = "storage-element"
INSTALL, UPGRADE = {"name": "se-1", "revision": 1}, {"name": "se-1", "revision": 2}


def _with(release: dict[str, Any] | None = None, **changes: Any) -> Rendered:
    """The set `minimal` with other values, given with `__` for the dots between keys."""
    values = copy.deepcopy(load_set(CHART, "minimal")["values"])
    for path, value in changes.items():
        *way, last = path.split("__")
        node = values
        for part in way:
            node = node.setdefault(part, {})
        node[last] = value
    return render(CHART, values, release or INSTALL)


def _element(found: Rendered) -> Manifest:
    container: Manifest = found.one("StatefulSet")["spec"]["template"]["spec"]["containers"][0]
    return container


def _environment(container: Manifest) -> dict[str, str]:
    return {variable["name"]: variable["value"] for variable in container["env"]}


def test_the_marker_is_written_at_an_installation_and_never_again() -> None:
    """An empty volume at an upgrade is a lost disk: marked, it would pass for an element that has no files any more."""
    (job,) = _with(INSTALL).of_kind("Job")
    assert job["spec"]["template"]["spec"]["containers"][0]["args"] == ["init", "--mode", "rw"]
    assert _with(UPGRADE).of_kind("Job") == []
    assert _with(INSTALL, init__enabled=False).of_kind("Job") == []
    assert "initContainers" not in _with(INSTALL).one("StatefulSet")["spec"]["template"]["spec"]
    assert _element(_with(INSTALL))["args"] == ["serve"]


def test_the_job_runs_where_the_element_does_and_no_service_leads_to_it() -> None:
    found = _with(INSTALL)
    pod = found.one("Job")["spec"]["template"]
    (term,) = pod["spec"]["affinity"]["podAffinity"]["requiredDuringSchedulingIgnoredDuringExecution"]
    element = found.one("StatefulSet")["spec"]["template"]["metadata"]["labels"]
    assert term["labelSelector"]["matchLabels"].items() <= element.items()
    for service in found.of_kind("Service"):
        assert not service["spec"]["selector"].items() <= pod["metadata"]["labels"].items()


def test_a_volume_for_one_pod_alone_leaves_no_room_for_the_job() -> None:
    with pytest.raises(helm_python.HelmRenderError, match=r"init\.enabled"):
        _with(INSTALL, persistence__accessMode="ReadWriteOncePod")
    _with(INSTALL, persistence__accessMode="ReadWriteOncePod", init__enabled=False)


def test_maintenance_stops_the_element_and_runs_one_command() -> None:
    found = _with(UPGRADE, maintenance__command=["verify", "--json"])
    assert found.one("StatefulSet")["spec"]["replicas"] == 0
    job = found.one("Job")
    assert job["metadata"]["name"] == "se-1-verify-2"
    assert job["spec"]["template"]["spec"]["containers"][0]["args"] == ["verify", "--json"]
    # It ends with 1 when it has found something, after hours: six times more would find the same.
    (rule,) = job["spec"]["podFailurePolicy"]["rules"]
    assert rule == {"action": "FailJob", "onExitCodes": {"containerName": "verify", "operator": "In", "values": [1, 2]}}
    assert _with(UPGRADE, stopped=True).one("StatefulSet")["spec"]["replicas"] == 0
    assert _with(UPGRADE).one("StatefulSet")["spec"]["replicas"] == 1


def test_the_claim_outlives_the_release() -> None:
    claim = _with().one("PersistentVolumeClaim")
    assert claim["metadata"]["annotations"]["helm.sh/resource-policy"] == "keep"
    assert "helm.sh/hook" not in claim["metadata"]["annotations"]


def test_every_variable_is_a_setting_of_the_element() -> None:
    known = {f"SE_{name}".upper() for name in Settings.model_fields} | {
        f"SE_{name}_FILE".upper() for name in Settings.model_fields
    }
    for name in ("minimal", "gateway", "own-parts"):
        given = _environment(_element(rendered(CHART, name)))
        assert {variable for variable in given if variable.startswith("SE_")} <= known
    required = {
        f"SE_{name}".upper()
        for name, field in Settings.model_fields.items()
        if field.is_required() and name not in ("tls_cert_file", "tls_key_file")
    }
    given = _environment(_element(_with()))
    assert {name for name in required if name not in given and f"{name}_FILE" not in given} == set()
    assert "issuer" in VerifyingSettings.model_fields


def test_there_is_time_to_finish_and_to_flush() -> None:
    spec = _with(shutdown__graceSeconds=100, shutdown__checkpointSeconds=50).one("StatefulSet")["spec"]["template"][
        "spec"
    ]
    assert spec["terminationGracePeriodSeconds"] == 150
    assert _environment(spec["containers"][0])["SE_SHUTDOWN_GRACE_SECONDS"] == "100"


def test_callers_reach_an_element_that_is_not_ready() -> None:
    """It has no other pod, and goes on giving out files when it can take none."""
    assert all(service["spec"]["publishNotReadyAddresses"] for service in _with().of_kind("Service"))


def test_secrets_are_mounted_so_that_renewed_ones_arrive() -> None:
    mounts = _element(rendered(CHART, "own-parts"))["volumeMounts"]
    assert [mount["name"] for mount in mounts if "subPath" in mount] == []


@pytest.mark.parametrize(
    ("url", "ports"),
    [
        ("https://artstore.example.com/.well-known/jwks.json", [443, 10443]),
        ("https://artstore.example.com:8443/.well-known/jwks.json", [8443]),
        ("http://admin.artstore.svc:8000/.well-known/jwks.json", [8000]),
        ("http://admin.artstore.svc/.well-known/jwks.json", [80, 10080]),
        ("https://[2001:db8::7]/.well-known/jwks.json", [443, 10443]),
        ("https://[2001:db8::7]:444/.well-known/jwks.json", [444, 10444]),
    ],
)
def test_the_network_lets_it_out_to_the_signing_keys(url: str, ports: list[int]) -> None:
    """With a Gateway in the same cluster a policy sees the port of Envoy's pod: Envoy Gateway adds 10000 below 1024."""
    policy = _with(jwks__url=url).one("NetworkPolicy", "se-1")
    assert policy["spec"]["egress"][1:] == [{"ports": [{"protocol": "TCP", "port": port} for port in ports]}]


def test_an_upgrade_with_a_new_ticket_key_restarts_the_element() -> None:
    def restarted_by(key: str) -> str:
        found = _with(ticketKey={"value": key})
        assert found.one("Secret")["stringData"] == {"ticket_key": key}
        annotations = found.one("StatefulSet")["spec"]["template"]["metadata"]["annotations"]
        assert key not in str(annotations)
        return str(annotations)

    assert restarted_by("A" * 43) != restarted_by("B" * 43)


def test_what_it_scrapes_bears_the_element_s_id() -> None:
    (endpoint,) = rendered(CHART, "gateway").one("ServiceMonitor")["spec"]["endpoints"]
    assert {"targetLabel": "storage_element_id", "replacement": "media-1"} in endpoint["relabelings"]
    assert endpoint["tlsConfig"]["serverName"] == "media-1.example.com"


@pytest.mark.parametrize(
    "change",
    [
        {"storageId": ""},
        {"storageId": "Upper"},
        {"storageId": "under_score"},
        {"mode": "wo"},
        {"issuer": "http://artstore.example.com"},
        {"jwks__url": ""},
        {"ticketKey__value": "short"},
        {"image__tag": "latest"},
        {"env": {"PATH": "/"}},
        {"env": {"SE_SCRUB_SECONDS": 1}},
        {"env": {"SE_PORT": "1"}},
        {"env": {"SE_TICKET_KEY_FILE": "/tmp/key"}},
        {"maintenance__command": ["serve"]},
        {"persistence__accessMode": "ReadWriteMany"},
        {"resources": {"limits": None}},
        {"replicas": 2},
        {"tls": {"certificate": {"dnsNames": ["se-1.example.com"]}}},
        {"tls": {"certificate": {"issuerRef": {"name": "x"}}}},
        {"ticketKey": {}},
        {"tlsRoute__enabled": True},
    ],
)
def test_what_cannot_work_is_refused_by_helm(change: dict[str, Any]) -> None:
    with pytest.raises(helm_python.HelmError):
        _with(**change)


def test_notes_lead_on() -> None:
    notes = _with().notes
    assert "rollout status statefulset/se-1" in notes
    assert "python -m artstore_tickets se-1 <" in notes
    assert "se-1-data" in notes
    assert "exec se-1-0 -- python -m storage_element init --mode rw" in notes
    assert "job/se-1-adopt-2" in _with(UPGRADE, maintenance__command=["adopt"]).notes

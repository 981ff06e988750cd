"""Does every selector find what it is for, and every port of it a container's?"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any

from chart_renders import Manifest, Pod, Rendered, name_of


def lost_selectors(render: Rendered) -> list[str]:
    """Each selector that finds nothing, or too much, and each port that is nobody's."""
    pods = render.pods()
    return sorted({f"{name_of(one)}: {word}" for one in render.manifests for word in _lost(one, render, pods)})


def matches(selector: dict[str, Any] | None, labels: dict[str, str]) -> bool:
    """A LabelSelector, or a Service's plain map, on these labels. An empty one selects all."""
    if not selector:
        return True
    if not selector.keys() & {"matchLabels", "matchExpressions"}:
        return selector.items() <= labels.items()
    return (selector.get("matchLabels") or {}).items() <= labels.items() and all(
        _expression(one, labels) for one in selector.get("matchExpressions") or ()
    )


def _expression(one: dict[str, Any], labels: dict[str, str]) -> bool:
    value = labels.get(one["key"])
    match one["operator"]:
        case "In":
            return value in one["values"]
        case "NotIn":
            return value not in one["values"]
        case "Exists":
            return value is not None
        case "DoesNotExist":
            return value is None
    raise ValueError(one["operator"])


def _chosen(selector: dict[str, Any] | None, pods: Iterable[Pod]) -> list[Pod]:
    return [pod for pod in pods if matches(selector, pod.labels)]


def _ports(pods: Iterable[Pod]) -> set[int | str]:
    """The names and numbers of all ports of these pods' containers."""
    listed = [port for pod in pods for container in pod.containers() for port in container.get("ports") or ()]
    return {port["containerPort"] for port in listed} | {port["name"] for port in listed if "name" in port}


def _lost(manifest: Manifest, render: Rendered, pods: list[Pod]) -> Iterator[str]:
    spec = manifest.get("spec") or {}
    match manifest["kind"]:
        case "Service" if spec.get("selector"):
            yield from _lost_by_service(spec, pods)
        case "Deployment" | "StatefulSet" | "DaemonSet":
            if [str(pod) for pod in _chosen(spec["selector"], pods)] != [name_of(manifest)]:
                yield "does not select its own pods, and nobody else's"
        case "PodDisruptionBudget":
            if len(_chosen(spec["selector"], pods)) != 1:
                yield "does not select one kind of pods"
        case "NetworkPolicy":
            yield from _lost_by_policy(spec, pods)
        case "ServiceMonitor":
            yield from _lost_by_monitor(spec, render.of_kind("Service"))
        case "PodMonitor":
            known = _ports(_chosen(spec["selector"], pods))
            yield from (f"port {one['port']}" for one in spec["podMetricsEndpoints"] if one["port"] not in known)


def _lost_by_service(spec: dict[str, Any], pods: list[Pod]) -> Iterator[str]:
    found = _chosen(spec["selector"], pods)
    if len(found) != 1:  # two kinds of pods: some requests go to who does not answer them
        yield f"selects {[str(pod) for pod in found]}"
    known = _ports(found)
    targets = [port.get("targetPort", port["port"]) for port in spec["ports"]]
    yield from (f"port {target}" for target in targets if target not in known)


def _lost_by_monitor(spec: dict[str, Any], services: list[Manifest]) -> Iterator[str]:
    found = [one for one in services if matches(spec["selector"], one["metadata"].get("labels") or {})]
    known = {port.get("name") for service in found for port in service["spec"]["ports"]}
    yield from (f"port {one['port']}" for one in spec["endpoints"] if one["port"] not in known)


def _lost_by_policy(spec: dict[str, Any], pods: list[Pod]) -> Iterator[str]:
    found = _chosen(spec.get("podSelector"), pods)
    labels = (spec.get("podSelector") or {}).get("matchLabels") or {}
    # A policy for Jobs may stand before any of them does.
    if not found and labels.get("app.kubernetes.io/component") != "job":
        yield "selects no pod"
    known = _ports(found)
    for rule in spec.get("ingress") or () if found else ():
        ports = [one["port"] for one in rule.get("ports") or () if "port" in one]
        yield from (f"port {port}" for port in ports if port not in known)
    peers = [
        peer
        for side, rules in (("from", spec.get("ingress")), ("to", spec.get("egress")))
        for rule in rules or ()
        for peer in rule.get(side) or ()
        if peer.get("podSelector") and "namespaceSelector" not in peer
    ]
    yield from (f"peer {peer['podSelector']}" for peer in peers if not _chosen(peer["podSelector"], pods))

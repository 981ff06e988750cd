"""Does everything that a manifest names exist? In the same render, or said to be made by somebody else (`external`)."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from fnmatch import fnmatchcase
from typing import Any, Final

from chart_renders import Pod, Rendered, name_of

_IN_THE_CLUSTER: Final = re.compile(
    r"\b[a-z]+://(?:[^/@\s]*@)?(?P<host>[a-z0-9-]+)(?:\.[a-z0-9-]+\.svc[a-z.]*)?:(?P<port>\d+)"
)
_ITSELF: Final = frozenset({"localhost"})


@dataclass(frozen=True, order=True)
class Reference:
    """`kind/name`, with a key of a Secret or ConfigMap, or a port of a Service; `by` names who refers to it."""

    by: str
    kind: str
    name: str
    key: str | None = None
    port: int | str | None = None

    def __str__(self) -> str:
        tail = f"#{self.key}" if self.key else f":{self.port}" if self.port else ""
        return f"{self.kind}/{self.name}{tail}"


def dangling(render: Rendered) -> list[str]:
    """Each reference that leads nowhere, by whom."""
    known = _Known(render)
    return sorted({f"{one.by} -> {one}" for one in references(render) if not known.has(one)})


def unused_externals(render: Rendered) -> list[str]:
    """What a set calls external and nothing refers to, or the render has: a list that says too much hides a slip."""
    known = _Known(render, external=False)
    needed = {str(one) for one in references(render) if not known.has(one)}
    return sorted(pattern for pattern in render.external if not any(fnmatchcase(one, pattern) for one in needed))


def references(render: Rendered) -> Iterator[Reference]:
    for pod in render.pods():
        yield from _of_pod(pod)
    for manifest in render.manifests:
        by = name_of(manifest)
        if manifest["kind"] == "StatefulSet" and (service := manifest["spec"].get("serviceName")):
            yield Reference(by, "Service", service)
        if manifest["kind"] == "HorizontalPodAutoscaler":
            target = manifest["spec"]["scaleTargetRef"]
            yield Reference(by, target["kind"], target["name"])
        if "." in manifest["apiVersion"].partition("/")[0]:
            yield from _of_custom(by, manifest.get("spec", {}))
        if manifest["kind"] in ("RoleBinding", "ClusterRoleBinding"):
            for one in (manifest["roleRef"], *manifest.get("subjects", ())):
                yield Reference(by, one["kind"], one["name"])


class _Known:
    """What there is."""

    def __init__(self, render: Rendered, *, external: bool = True) -> None:
        self._external = render.external if external else frozenset()
        self._there = {name_of(manifest): manifest for manifest in render.manifests}
        # cert-manager makes a Secret of these keys for a Certificate (`ca.crt` where the issuer has one to tell).
        self._issued = {f"Secret/{one['spec']['secretName']}" for one in render.of_kind("Certificate")}

    def has(self, reference: Reference) -> bool:
        whole = f"{reference.kind}/{reference.name}"
        if any(fnmatchcase(str(reference), pattern) for pattern in self._external):
            return True
        if whole in self._issued:
            return reference.key in (None, "tls.crt", "tls.key", "ca.crt")
        found = self._there.get(whole)
        if found is None:
            return False
        if reference.key is not None:
            return any(reference.key in (found.get(part) or {}) for part in ("data", "stringData", "binaryData"))
        if reference.port is not None and reference.kind == "Service":
            return any(reference.port in (port["port"], port.get("name")) for port in found["spec"]["ports"])
        return True


def _of_pod(pod: Pod) -> Iterator[Reference]:
    by, spec = str(pod), pod.spec
    if account := spec.get("serviceAccountName"):
        yield Reference(by, "ServiceAccount", account)
    for secret in spec.get("imagePullSecrets") or ():
        yield Reference(by, "Secret", secret["name"])
    claims = {claim["metadata"]["name"] for claim in pod.owner["spec"].get("volumeClaimTemplates") or ()}
    for volume in spec.get("volumes") or ():
        yield from _of_volume(by, volume)
    volumes = {volume["name"] for volume in spec.get("volumes") or ()} | claims
    for container in pod.containers():
        for mount in container.get("volumeMounts") or ():
            if mount["name"] not in volumes:
                yield Reference(f"{by} {container['name']}", "volume", mount["name"])
        yield from _of_environment(f"{by} {container['name']}", container)


def _of_volume(by: str, volume: dict[str, Any]) -> Iterator[Reference]:
    for source in (volume, *(volume.get("projected") or {}).get("sources", ())):
        if secret := source.get("secret"):
            yield from _of_keys(by, "Secret", secret.get("secretName") or secret.get("name"), secret)
        if config := source.get("configMap"):
            yield from _of_keys(by, "ConfigMap", config["name"], config)
    if claim := volume.get("persistentVolumeClaim"):
        yield Reference(by, "PersistentVolumeClaim", claim["claimName"])


def _of_keys(by: str, kind: str, name: str, source: dict[str, Any]) -> Iterator[Reference]:
    if source.get("optional"):
        return
    items = source.get("items") or ()
    yield from (Reference(by, kind, name, item["key"]) for item in items)
    if not items:
        yield Reference(by, kind, name)


def _of_environment(by: str, container: dict[str, Any]) -> Iterator[Reference]:
    for source in container.get("envFrom") or ():
        for field, kind in (("secretRef", "Secret"), ("configMapRef", "ConfigMap")):
            if (found := source.get(field)) and not found.get("optional"):
                yield Reference(by, kind, found["name"])
    for variable in container.get("env") or ():
        origin = variable.get("valueFrom") or {}
        for field, kind in (("secretKeyRef", "Secret"), ("configMapKeyRef", "ConfigMap")):
            if (found := origin.get(field)) and not found.get("optional"):
                yield Reference(by, kind, found["name"], found["key"])
        yield from _of_text(f"{by} {variable['name']}", str(variable.get("value", "")))
    yield from _of_text(by, " ".join(map(str, (*container.get("command", ()), *container.get("args", ())))))


def _of_text(by: str, text: str) -> Iterator[Reference]:
    """Addresses inside the cluster: a host of one label, or of a Service's full name."""
    for found in _IN_THE_CLUSTER.finditer(text):
        if found["host"] not in _ITSELF and not found["host"].replace("-", "").isdigit():
            yield Reference(by, "Service", found["host"], port=int(found["port"]))


def _of_custom(by: str, node: Any, key: str = "") -> Iterator[Reference]:
    """Custom resources name others by fields that all of them call alike."""
    if isinstance(node, list):
        for one in node:
            yield from _of_custom(by, one, key)
    if not isinstance(node, dict):
        return
    match key:
        case "backendRefs" | "backendRef":
            yield Reference(by, node.get("kind", "Service"), node["name"], port=node.get("port"))
        case "parentRefs":
            yield Reference(by, node.get("kind", "Gateway"), node["name"])
        case "targetRefs" | "targetRef" | "extensionRef" | "issuerRef":
            yield Reference(by, node["kind"], node["name"])
        case "certificateRefs" | "caCertificateRefs" | "valueRef" | "localRef":
            yield Reference(by, node.get("kind", "Secret"), node["name"])
        case "secretKeyRef" | "configMapKeyRef":
            yield Reference(by, "Secret" if key == "secretKeyRef" else "ConfigMap", node["name"], node["key"])
        case "secret" | "configMap" if {"name", "key"} <= node.keys():
            yield Reference(by, "Secret" if key == "secret" else "ConfigMap", node["name"], node["key"])
        case "remoteJWKS":
            yield from _of_text(by, node.get("uri", ""))
    for name, child in node.items():
        yield from _of_custom(by, child, name)

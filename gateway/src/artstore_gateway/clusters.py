"""Where requests go on to: one Envoy cluster per service."""

from __future__ import annotations

from ipaddress import ip_address

from pydantic import HttpUrl

from artstore_gateway.routes import Service
from artstore_gateway.settings import GatewaySettings
from artstore_gateway.typed import Config, extension, seconds, typed

OTLP_CLUSTER = "otlp"
BUFFER_BYTES = 1 << 20
"""How much Envoy holds per connection and direction before it stops reading."""

_SYSTEM_CA = "/etc/ssl/certs/ca-certificates.crt"


def clusters(settings: GatewaySettings) -> list[Config]:
    """Every `Cluster`: the services, and the trace collector when there is one."""
    services = {
        Service.ADMIN: settings.admin_url,
        Service.INGESTER: settings.ingester_url,
        Service.QUERY: settings.query_url,
        Service.RENDER: settings.render_url,
    }
    found = [_cluster(service.value, url) for service, url in services.items()]
    if settings.otlp_endpoint is not None:
        found.append(_cluster(OTLP_CLUSTER, settings.otlp_endpoint))
    return found


def otlp_traces_url(endpoint: HttpUrl) -> str:
    """`OTEL_EXPORTER_OTLP_ENDPOINT` names the collector; traces go to a path below it (OTLP/HTTP)."""
    return f"{str(endpoint).rstrip('/')}/v1/traces"


def _cluster(name: str, url: HttpUrl) -> Config:
    host = (url.host or "").strip("[]")
    cluster: Config = {
        "name": name,
        "type": "STATIC" if _is_address(host) else "STRICT_DNS",
        "connect_timeout": seconds(2),
        "per_connection_buffer_limit_bytes": BUFFER_BYTES,
        "circuit_breakers": {
            "thresholds": [{"max_connections": 1024, "max_pending_requests": 1024, "max_requests": 4096}]
        },
        "load_assignment": {
            "cluster_name": name,
            "endpoints": [{"lb_endpoints": [{"endpoint": {"address": _socket(host, url.port or 80)}}]}],
        },
        "typed_extension_protocol_options": {
            "envoy.extensions.upstreams.http.v3.HttpProtocolOptions": typed(
                "envoy.extensions.upstreams.http.v3.HttpProtocolOptions",
                explicit_http_config={"http_protocol_options": {}},
                # The services keep idle connections for 75 s: let go first, or a request meets a closed door.
                common_http_protocol_options={"idle_timeout": seconds(60)},
            )
        },
    }
    if url.scheme == "https":
        cluster["transport_socket"] = _trusting_the_system(host)
    return cluster


def _trusting_the_system(host: str) -> Config:
    # A chain alone proves nothing: without the name any certificate of any authority would do.
    kind = "IP_ADDRESS" if _is_address(host) else "DNS"
    return extension(
        "envoy.transport_sockets.tls",
        "envoy.extensions.transport_sockets.tls.v3.UpstreamTlsContext",
        **({} if _is_address(host) else {"sni": host}),
        common_tls_context={
            "validation_context": {
                "trusted_ca": {"filename": _SYSTEM_CA},
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

"""How Envoy treats a client's connection: identity of requests, paths, limits, filters, log."""

from __future__ import annotations

from artstore_gateway.clusters import HEAD_KIB, OTLP_CLUSTER, otlp_traces_url
from artstore_gateway.discovery import route_source
from artstore_gateway.elements import BUFFER
from artstore_gateway.errors import local_reply_config
from artstore_gateway.settings import GatewaySettings
from artstore_gateway.tokens import jwt_filter
from artstore_gateway.typed import Config, extension, seconds
from artstore_gateway.virtual_host import CORS, cors_of_own_answers, route_configuration

_HCM = "envoy.extensions.filters.network.http_connection_manager.v3.HttpConnectionManager"

_WINDOW_BYTES = 1 << 20  # per HTTP/2 stream; a connection gets four, whatever the number of its streams


def connection_manager(settings: GatewaySettings) -> Config:
    """The network filter `HttpConnectionManager`, the same for both listeners."""
    return extension(
        "envoy.filters.network.http_connection_manager",
        _HCM,
        stat_prefix="gateway",
        **_routes(settings),
        http_filters=_filters(settings),
        local_reply_config=local_reply_config(cors_of_own_answers(settings.cors_origins)),
        access_log=[_access_log()],
        **_identity(),
        **_strict_paths(),
        **_times(),
        **_protocols(),
        **_tracing(settings),
    )


def _routes(settings: GatewaySettings) -> Config:
    if settings.elements_dir is None:
        return {"route_config": route_configuration(settings)}
    return {"rds": route_source(settings.elements_dir)}


def _filters(settings: GatewaySettings) -> list[Config]:
    # CORS comes first so that a refusal can be read by the page that caused it; the token comes before the
    # buffer so that nobody without one makes Envoy hold a body.
    return [
        extension(CORS, "envoy.extensions.filters.http.cors.v3.Cors"),
        jwt_filter(settings),
        extension(
            BUFFER,
            "envoy.extensions.filters.http.buffer.v3.Buffer",
            max_request_bytes=settings.body_limit_bytes,
        ),
        extension(
            "envoy.filters.http.router",
            "envoy.extensions.filters.http.router.v3.Router",
            suppress_envoy_headers=True,
        ),
    ]


def _identity() -> Config:
    return {
        "generate_request_id": True,
        "preserve_external_request_id": True,
        "always_set_request_id_in_response": True,
        "use_remote_address": True,
        # Envoy believes x-envoy-… headers (timeouts, retries) of internal clients: here nobody is one. An empty
        # list would mean the default, which has loopback and private networks in it.
        "internal_address_config": {"cidr_ranges": [{"address_prefix": "255.255.255.255", "prefix_len": 32}]},
        "server_header_transformation": "PASS_THROUGH",
    }


def _strict_paths() -> Config:
    # One spelling of a path for every check: what Envoy matched is what the service sees.
    return {
        "normalize_path": True,
        "merge_slashes": True,
        "path_with_escaped_slashes_action": "REJECT_REQUEST",
    }


def _times() -> Config:
    return {
        "request_timeout": "0s",  # would count the whole body: uploads may take hours
        "stream_idle_timeout": seconds(60),  # byte routes have their own
        # Counts from the last write that made progress after Envoy has decided to close. The default of 1 s cuts
        # the tail off a download with `Connection: close`: the kernel holds megabytes that a slow client needs
        # several seconds to take. But it is also how long a client waits to hear that its download broke.
        "delayed_close_timeout": seconds(15),
        "drain_timeout": seconds(5),
    }


def _protocols() -> Config:
    return {
        "max_request_headers_kb": HEAD_KIB,
        "common_http_protocol_options": {
            "idle_timeout": seconds(120),
            "headers_with_underscores_action": "REJECT_REQUEST",
            "max_headers_count": 100,
        },
        "request_headers_timeout": seconds(10),
        "http2_protocol_options": {
            "max_concurrent_streams": 100,
            "initial_stream_window_size": _WINDOW_BYTES,
            "initial_connection_window_size": 4 * _WINDOW_BYTES,
        },
    }


def _tracing(settings: GatewaySettings) -> Config:
    """Spans by OTLP/HTTP. Without an endpoint a client's `traceparent` just passes through."""
    if settings.otlp_endpoint is None:
        return {}
    provider = extension(
        "envoy.tracers.opentelemetry",
        "envoy.config.trace.v3.OpenTelemetryConfig",
        service_name="gateway",
        http_service={
            "http_uri": {
                "uri": otlp_traces_url(settings.otlp_endpoint),
                "cluster": OTLP_CLUSTER,
                "timeout": seconds(2),
            }
        },
        sampler=_sampler(settings),
    )
    # Envoy's own tag of this name is the whole url, and a query may hold a ticket: of two values the later one counts.
    path = {"tag": "http.url", "value": "%PATH(NQ:PATH)%"}
    return {
        "tracing": {
            "provider": provider,
            "spawn_upstream_span": True,
            "custom_tags": [path],
        }
    }


def _sampler(settings: GatewaySettings) -> Config:
    """A request follows the trace that it brings; of the others so many begin one."""
    own = extension(
        "envoy.tracers.opentelemetry.samplers.trace_id_ratio_based",
        "envoy.extensions.tracers.opentelemetry.samplers.v3.TraceIdRatioBasedSamplerConfig",
        sampling_percentage={"numerator": round(settings.trace_percent * 10_000), "denominator": "MILLION"},
    )
    return extension(
        "envoy.tracers.opentelemetry.samplers.parent_based",
        "envoy.extensions.tracers.opentelemetry.samplers.v3.ParentBasedSamplerConfig",
        wrapped_sampler=own,
    )


def _access_log() -> Config:
    # Query strings hold tickets and so never get into the log. Neither does the path of tiles, a part of which opens them:
    # `route` says what was asked for.
    path = "%CEL(request.url_path.contains('/tiles/') ? '-' : request.url_path)%"
    return extension(
        "envoy.access_loggers.stdout",
        "envoy.extensions.access_loggers.stream.v3.StdoutAccessLog",
        log_format={
            "json_format": {
                "timestamp": "%START_TIME%",
                "service": "gateway",
                "request_id": "%REQ(X-REQUEST-ID)%",
                "traceparent": "%REQ(TRACEPARENT)%",
                "client": "%DOWNSTREAM_REMOTE_ADDRESS_WITHOUT_PORT%",
                "method": "%REQ(:METHOD)%",
                "path": path,
                "route": "%ROUTE_NAME%",
                "protocol": "%PROTOCOL%",
                "status": "%RESPONSE_CODE%",
                "flags": "%RESPONSE_FLAGS%",
                "details": "%RESPONSE_CODE_DETAILS%",
                "bytes_in": "%BYTES_RECEIVED%",
                "bytes_out": "%BYTES_SENT%",
                "milliseconds": "%DURATION%",
                "upstream": "%UPSTREAM_CLUSTER%",
                "user_agent": "%REQ(USER-AGENT)%",
            },
            "omit_empty_values": True,
        },
    )

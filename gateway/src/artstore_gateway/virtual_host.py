"""The table of routes as Envoy's virtual host."""

from __future__ import annotations

import json
import re
from collections.abc import Sequence

from artstore_gateway.elements import NO_BODY_LIMIT, OFFER, UNTOLD, Element, element_routes, offer, redirect_policy
from artstore_gateway.routes import ROUTES, Resource, Route, Service
from artstore_gateway.settings import GatewaySettings
from artstore_gateway.tokens import access_rule
from artstore_gateway.typed import Config, extension, header, seconds, typed

CORS = "envoy.filters.http.cors"
ROUTE_CONFIGURATION = "artstore"

_READING = frozenset({"GET", "HEAD"})

_CORS_METHODS = "GET, HEAD, POST, PUT, PATCH, DELETE"
_CORS_REQUEST_HEADERS = (
    "Authorization, Content-Digest, Content-Type, Idempotency-Key, If-Match, If-Modified-Since, If-None-Match, If-Range, "
    "If-Unmodified-Since, Last-Event-ID, Range, Repr-Digest, Traceparent, Tracestate, Tus-Resumable, Upload-Checksum, Upload-Concat, Upload-Defer-Length, "
    "Upload-Length, Upload-Metadata, Upload-Offset, X-HTTP-Method-Override, X-Request-Id"
)
_CORS_RESPONSE_HEADERS = (
    "Accept-Ranges, Allow, Artstore-Registered, Content-Digest, Content-Disposition, Content-Range, ETag, "
    "Idempotent-Replayed, Location, "
    "Repr-Digest, Retry-After, Tus-Checksum-Algorithm, Tus-Extension, Tus-Max-Size, Tus-Resumable, Tus-Version, "
    "Upload-Concat, Upload-Defer-Length, Upload-Expires, Upload-Length, Upload-Metadata, Upload-Offset, "
    "WWW-Authenticate, X-Request-Id"
)

# An answer that a browser keeps is no good to a page of another origin (Fetch standard, "CORS protocol and HTTP caches").
_VARY: Config = {"header": {"key": "Vary", "value": "Origin"}, "append_action": "APPEND_IF_EXISTS_OR_ADD"}


def route_configuration(settings: GatewaySettings, elements: Sequence[Element] = ()) -> Config:
    """A `RouteConfiguration`: the table, and the routes to these storage elements."""
    return {
        "name": ROUTE_CONFIGURATION,
        # A header that the host takes away may be added again by one of its routes, not the other way round.
        "most_specific_header_mutations_wins": True,
        "virtual_hosts": [virtual_host(settings, elements)],
    }


def virtual_host(settings: GatewaySettings, elements: Sequence[Element] = ()) -> Config:
    """A `VirtualHost` for any name: each resource's methods and its 405. The rest is Envoy's 404."""
    routes = [entry for resource in ROUTES for entry in _resource(resource, settings, elements)]
    if settings.elements_dir is not None:
        routes += element_routes(elements, settings)
    host: Config = {
        "name": "artstore",
        "domains": ["*"],
        "request_headers_to_remove": [OFFER],
        "response_headers_to_remove": ["server"],
    }
    if not settings.cors_origins:
        return {**host, "routes": routes}
    return {
        **host,
        "typed_per_filter_config": {CORS: _cors(settings.cors_origins)},
        "response_headers_to_add": [_VARY],
        "routes": [_preflight(), *routes],
    }


def cors_of_own_answers(origins: Sequence[str]) -> list[Config]:
    """What Envoy's CORS filter would say on answers that it passes over: those that no service was to give (404, 405)."""
    if not origins:
        return []
    origin = "request.headers['origin']"
    known = f"'origin' in request.headers && {origin} in {json.dumps(origins)} ? {origin} : ''"
    return [
        header("Access-Control-Allow-Origin", f"%CEL({known})%"),
        header("Access-Control-Expose-Headers", _CORS_RESPONSE_HEADERS),
    ]


def path_pattern(path: str) -> str:
    """The RE2 expression of a path of the table: `{name}` is one segment, a last `/**` is anything below."""
    below = path.endswith("/**")
    literal = path.removesuffix("/**")
    pattern = "".join("[^/]+" if part.startswith("{") else re.escape(part) for part in re.split(r"(\{\w+\})", literal))
    return f"{pattern}/.*" if below else pattern


def _resource(resource: Resource, settings: GatewaySettings, elements: Sequence[Element]) -> list[Config]:
    routes = [_route(resource, route, settings, elements) for route in resource.routes]
    return [*routes, _method_not_allowed(resource)]


def _match(resource: Resource) -> Config:
    if "{" in resource.path or "*" in resource.path:
        return {"safe_regex": {"regex": path_pattern(resource.path)}}
    return {"path": resource.path}


def _route(resource: Resource, route: Route, settings: GatewaySettings, elements: Sequence[Element]) -> Config:
    methods = "|".join(route.methods)
    return {
        "name": f"{methods} {resource.path}",
        "match": {
            **_match(resource),
            "headers": [
                {"name": ":method", "string_match": {"safe_regex": {"regex": methods}}},
            ],
        },
        "route": {
            "cluster": route.service.value,
            **_times(route, settings),
            **({"internal_redirect_policy": redirect_policy()} if route.redirects else {}),
        },
        **(_redirecting(elements) if route.redirects else {}),
        **_untold(resource, settings),
        "typed_per_filter_config": {
            **access_rule(route.access),
            **(NO_BODY_LIMIT if route.streams else {}),
        },
    }


def _untold(resource: Resource, settings: GatewaySettings) -> Config:
    """Spans have the path, which for a picture's tiles opens them: there they have the table's words for it."""
    if "{view}" not in resource.path or settings.otlp_endpoint is None:
        return {}
    return {"tracing": {"custom_tags": [{"tag": "http.url", "value": resource.path}]}}


def _redirecting(elements: Sequence[Element]) -> Config:
    return {
        "request_headers_to_add": offer(elements),
        # Only where a redirect was not followed: it holds a ticket.
        "response_headers_to_remove": ["location"],
        # As on the element's own route, so that a client cannot tell the ways apart.
        "response_headers_to_add": [UNTOLD],
    }


def _times(route: Route, settings: GatewaySettings) -> Config:
    if not route.streams:
        return {"timeout": seconds(settings.request_timeout_seconds), "retry_policy": _retries(route)}
    endless: Config = {"timeout": "0s", "idle_timeout": seconds(settings.bytes_idle_seconds)}
    # Of a body that streams in Envoy would keep a copy.
    return endless | ({"retry_policy": _retries(route)} if _reads(route) else {})


def _reads(route: Route) -> bool:
    return set(route.methods) <= _READING


def _retries(route: Route) -> Config:
    """On another replica, where there is one. A request that the service may have seen is sent again only when it reads."""
    unseen = "connect-failure,refused-stream,reset-before-request"
    return {
        "retry_on": f"{unseen},reset" if _reads(route) else unseen,
        "num_retries": 2,
        "retry_host_predicate": [
            extension(
                "envoy.retry_host_predicates.previous_hosts",
                "envoy.extensions.retry.host.previous_hosts.v3.PreviousHostsPredicate",
            )
        ],
        "host_selection_retry_max_attempts": 3,
    }


def _method_not_allowed(resource: Resource) -> Config:
    return {
        "name": f"405 {resource.path}",
        "match": _match(resource),
        "direct_response": {"status": 405},
        "response_headers_to_add": [header("Allow", ", ".join(resource.methods))],
        "typed_per_filter_config": NO_BODY_LIMIT,
    }


def _preflight() -> Config:
    """Questions of browsers (Fetch standard, "CORS preflight"): Envoy's CORS filter answers them all itself.

    It does so only where a route leads somewhere, which the 405 of a resource does not.
    """
    return {
        "name": "preflight",
        "match": {
            "prefix": "/",
            "headers": [
                {"name": ":method", "string_match": {"exact": "OPTIONS"}},
                {"name": "access-control-request-method", "present_match": True},
            ],
        },
        "route": {"cluster": Service.ADMIN.value},
    }


def _cors(origins: tuple[str, ...]) -> Config:
    return typed(
        "envoy.extensions.filters.http.cors.v3.CorsPolicy",
        allow_origin_string_match=[{"exact": origin} for origin in origins],
        allow_methods=_CORS_METHODS,
        allow_headers=_CORS_REQUEST_HEADERS,
        expose_headers=_CORS_RESPONSE_HEADERS,
        max_age="600",
        forward_not_matching_preflights=False,
    )

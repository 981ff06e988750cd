"""The first check of access tokens: signature, issuer, audience, expiry (requirement I9)."""

from __future__ import annotations

from artstore_gateway.routes import Access, Service
from artstore_gateway.settings import GatewaySettings
from artstore_gateway.typed import Config, extension, seconds, typed

FILTER = "envoy.filters.http.jwt_authn"
_MESSAGE = "envoy.extensions.filters.http.jwt_authn.v3"
_PROVIDER = "admin"


def jwt_filter(settings: GatewaySettings) -> Config:
    """The `jwt_authn` filter. What a route asks for stands with the route (`access_rule`), not here."""
    return extension(
        FILTER,
        f"{_MESSAGE}.JwtAuthentication",
        providers={_PROVIDER: _provider(settings)},
        requirement_map={
            Access.TOKEN.value: {"provider_name": _PROVIDER},
            Access.TOKEN_OR_TICKET.value: {
                "requires_any": {"requirements": [{"provider_name": _PROVIDER}, {"allow_missing": {}}]}
            },
        },
    )


def access_rule(access: Access) -> Config:
    """A route's entry in `typed_per_filter_config`: which requirement holds there. Public routes have none."""
    if access is Access.PUBLIC:
        return {}
    return {FILTER: typed(f"{_MESSAGE}.PerRouteConfig", requirement_name=access.value)}


def _provider(settings: GatewaySettings) -> Config:
    return {
        "issuer": settings.issuer,
        "audiences": [settings.audience],
        "forward": True,  # every service checks the token again
        "require_expiration": True,
        "clock_skew_seconds": 5,
        # Named, because the default takes a token from the query string too, where logs would keep it. A scheme's name
        # may be written in either case (RFC 9110 section 11.1), and Envoy compares letter by letter.
        "from_headers": [{"name": "Authorization", "value_prefix": scheme} for scheme in ("Bearer ", "bearer ")],
        "remote_jwks": {
            "http_uri": {
                "uri": f"{str(settings.admin_url[0]).rstrip('/')}/.well-known/jwks.json",
                "cluster": Service.ADMIN.value,
                "timeout": seconds(2),
            },
            "cache_duration": seconds(settings.jwks_cache_seconds),
            # Keys are fetched ahead of requests; Envoy keeps those it has until a fetch succeeds, so tokens
            # stay good while admin is down. The listener waits for the first attempt, not for its success.
            # An unknown key id makes Envoy fetch nothing: a token by a key that it has not met is refused until the
            # cache's time is over. So admin publishes a key for longer than that before it signs with it.
            "async_fetch": {"failed_refetch_duration": seconds(1)},
        },
    }

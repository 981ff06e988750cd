"""What is reachable through the gateway, and by which method: the first table of the API design, as data.

A path that is not here answers 404, a method that is not here answers 405 with `Allow`. So the services' own
`/health` and `/metrics`, and what only services may call (`POST /api/v1/audit`, `POST /api/v1/registry/files`),
stay inside without a rule that forbids them.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum


class Service(StrEnum):
    """Where a request goes; also the name of Envoy's cluster."""

    ADMIN = "admin"
    INGESTER = "ingester"
    QUERY = "query"
    RENDER = "render"


class Access(StrEnum):
    """What the gateway asks for before a service sees the request. The service checks again, scopes included."""

    PUBLIC = "public"
    """Nothing: the service itself asks for a secret, a password, a cookie or a ticket."""

    TOKEN = "token"
    """A valid access token for the audience `artstore`."""

    TOKEN_OR_TICKET = "token_or_ticket"
    """A token that is there must be valid; without one the service looks for a ticket (EventSource sends no headers)."""


@dataclass(frozen=True, slots=True)
class Route:
    """Some methods of a resource and where they go.

    `streams` marks bytes of any length: no body limit, no buffering, no total timeout, only idle timeouts.
    `redirects`: the service may send Envoy itself, not the client, to the bytes of a storage element.
    """

    methods: tuple[str, ...]
    service: Service
    access: Access = Access.TOKEN
    streams: bool = False
    redirects: bool = False


@dataclass(frozen=True, slots=True)
class Resource:
    """A path and its routes. In `path`, `{name}` stands for one segment, a last `/**` for everything below."""

    path: str
    routes: tuple[Route, ...]

    @property
    def methods(self) -> tuple[str, ...]:
        """Every method that is allowed here: the value of `Allow` (RFC 9110 section 10.2.1)."""
        return tuple(method for route in self.routes for method in route.methods)


def _admin(path: str, *methods: str, access: Access = Access.TOKEN) -> Resource:
    return Resource(path, (Route(methods, Service.ADMIN, access),))


def _public(path: str, *methods: str) -> Resource:
    return _admin(path, *methods, access=Access.PUBLIC)


_IDENTITY = (
    _public("/.well-known/jwks.json", "GET"),
    _public("/.well-known/oauth-authorization-server", "GET"),
    _public("/api/v1/auth/token", "POST"),
    _public("/api/v1/auth/introspect", "POST"),
    _public("/api/v1/auth/revoke", "POST"),
    _public("/api/v1/auth/login", "POST"),
    _public("/api/v1/auth/refresh", "POST"),
    # Signing out must work with an access token that has just expired: the refresh token says who it is.
    _public("/api/v1/auth/logout", "POST"),
    _admin("/api/v1/auth/change-password", "POST"),
    _admin("/api/v1/auth/me", "GET"),
    _admin("/api/v1/service-accounts", "GET", "POST"),
    _admin("/api/v1/service-accounts/{id}", "GET", "PATCH", "DELETE"),
    _admin("/api/v1/service-accounts/{id}/rotate-secret", "POST"),
    _admin("/api/v1/admin-users", "GET", "POST"),
    _admin("/api/v1/admin-users/{id}", "GET", "PATCH", "DELETE"),
    _admin("/api/v1/admin-users/{id}/reset-password", "POST"),
    _admin("/api/v1/admin-users/{id}/unlock", "POST"),
    _admin("/api/v1/jwt-keys", "GET"),
    _admin("/api/v1/jwt-keys/rotate", "POST"),
    _admin("/api/v1/audit", "GET"),
)

_REGISTRY = (
    _admin("/api/v1/storage-elements", "GET", "POST"),
    _admin("/api/v1/storage-elements/discover", "POST"),
    _admin("/api/v1/storage-elements/{id}", "GET", "PATCH", "DELETE"),
    _admin("/api/v1/storage-elements/{id}/sync", "POST"),
    _admin("/api/v1/storage-elements/{id}/syncs", "GET"),
    _admin("/api/v1/storage-elements/{id}/mode", "POST"),
    _admin("/api/v1/storage-elements/{id}/reconcile", "GET", "POST"),
    _admin("/api/v1/storage-elements/{id}/scrub", "GET", "POST"),
    _admin("/api/v1/storage-elements/{id}/files/{file_id}", "GET"),
    _admin("/api/v1/registry/files", "GET"),
    _admin("/api/v1/registry/files/{id}", "GET", "PATCH", "DELETE"),
    _admin("/api/v1/registry/totals", "GET"),
)

_CONSOLE_METHODS = ("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE")
_CONSOLE = (
    _public("/admin", *_CONSOLE_METHODS),
    # News for as long as somebody looks: no total timeout.
    Resource("/admin/overview/events", (Route(("GET",), Service.ADMIN, Access.PUBLIC, streams=True),)),
    _public("/admin/**", *_CONSOLE_METHODS),
)

_UPLOADS = (
    Resource("/api/v1/files/upload", (Route(("POST",), Service.INGESTER, streams=True),)),
    Resource(
        "/api/v1/uploads",
        (
            # tus 1.0 creation-with-upload: the first bytes may come with the POST.
            Route(("POST",), Service.INGESTER, streams=True),
            # tus 1.0 "OPTIONS": what the server can do. Clients ask before they have a token.
            Route(("OPTIONS",), Service.INGESTER, Access.PUBLIC),
        ),
    ),
    Resource(
        "/api/v1/uploads/{id}",
        (
            # POST stands for another method, which X-HTTP-Method-Override names, where a client can send no PATCH.
            Route(("PATCH", "POST"), Service.INGESTER, streams=True),
            Route(("GET", "HEAD", "DELETE"), Service.INGESTER),
            Route(("OPTIONS",), Service.INGESTER, Access.PUBLIC),
        ),
    ),
    Resource("/api/v1/uploads/{id}/parts", (Route(("POST",), Service.INGESTER),)),
    # Completing hashes what was staged, which takes as long as the file is large: no total timeout.
    Resource("/api/v1/uploads/{id}/complete", (Route(("POST",), Service.INGESTER, streams=True),)),
)

_FILES = (
    Resource(
        "/api/v1/files/{id}",
        (
            Route(("GET", "HEAD"), Service.QUERY),
            Route(("PATCH", "DELETE"), Service.INGESTER),
        ),
    ),
    Resource("/api/v1/files/{id}/download", (Route(("GET", "HEAD"), Service.QUERY, streams=True, redirects=True),)),
    Resource("/api/v1/files/{id}/links", (Route(("POST",), Service.QUERY),)),
    Resource(
        "/api/v1/links/download",
        (Route(("GET", "HEAD"), Service.QUERY, Access.PUBLIC, streams=True, redirects=True),),
    ),
    Resource("/api/v1/search", (Route(("POST",), Service.QUERY),)),
)

_RENDERING = (
    Resource("/api/v1/renditions/{file_id}", (Route(("GET",), Service.RENDER),)),
    Resource(
        "/api/v1/renditions/{file_id}/events",
        (Route(("GET",), Service.RENDER, Access.TOKEN_OR_TICKET, streams=True),),
    ),
    # Pictures carry a ticket in the query; tiles, whose urls a viewer makes itself, have one in the path.
    Resource(
        "/api/v1/renditions/{file_id}/content/{name}",
        (Route(("GET", "HEAD"), Service.RENDER, Access.PUBLIC, streams=True),),
    ),
    Resource("/api/v1/renditions/{file_id}/tiles/{view}/**", (Route(("GET",), Service.RENDER, Access.PUBLIC),)),
    Resource("/api/v1/render-jobs", (Route(("GET", "POST"), Service.RENDER),)),
    Resource("/api/v1/render-jobs/{id}", (Route(("GET",), Service.RENDER),)),
    Resource("/api/v1/render-jobs/{id}/retry", (Route(("POST",), Service.RENDER),)),
)

# Envoy takes the first route that fits: a literal (`/files/upload`) stands before the pattern that it fits too.
ROUTES: tuple[Resource, ...] = (*_IDENTITY, *_REGISTRY, *_CONSOLE, *_UPLOADS, *_FILES, *_RENDERING)
"""Everything that the gateway lets in, most specific first."""

"""Envoy's own answers in the form of every other error of ArtStore (requirement A5)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

from artstore_gateway.routes import Service
from artstore_gateway.typed import Config, header, typed

JWKS_MISSING = "Jwks_remote_fetch_is_failed"
"""Part of Envoy's response code details when it has never been able to fetch a key."""

JWT_MISSING = "Jwt_is_missing"

REALM = 'Bearer realm="artstore"'
"""What the services say too. Envoy's own realm is the request's URL, query string and all."""

RETRY_AFTER_SECONDS = 5


@dataclass(frozen=True, slots=True)
class Reply:
    """How one kind of Envoy's answers looks. `when` is a CEL expression over Envoy's attributes."""

    when: str
    code: str
    message: str
    status: int | None = None
    headers: dict[str, str] = field(default_factory=dict)


_RETRY = {"Retry-After": str(RETRY_AFTER_SECONDS)}

# The first that fits wins.
REPLIES: tuple[Reply, ...] = (
    Reply(
        # Without a key no token can be judged: that is our trouble, not the caller's, so it is no 401.
        f"response.code == 401 && response.code_details.contains('{JWKS_MISSING}')",
        "ADMIN_UNAVAILABLE",
        "Tokens cannot be checked just now: no key has been received yet.",
        status=503,
        headers=_RETRY,
    ),
    Reply(
        # RFC 6750 section 3.1: no error code for a request that brought no token.
        f"response.code == 401 && response.code_details.contains('{JWT_MISSING}')",
        "UNAUTHORIZED",
        "An access token is needed.",
        headers={"WWW-Authenticate": REALM},
    ),
    Reply(
        "response.code == 401",
        "UNAUTHORIZED",
        "The access token was refused.",
        headers={"WWW-Authenticate": f'{REALM}, error="invalid_token"'},
    ),
    Reply(
        # Envoy answers 403 for another audience; RFC 6750 section 3.1 calls that an invalid token: 401.
        "response.code == 403 && response.code_details.contains('jwt_authn')",
        "UNAUTHORIZED",
        "The access token is meant for another audience.",
        status=401,
        headers={"WWW-Authenticate": f'{REALM}, error="invalid_token", error_description="audience not allowed"'},
    ),
    Reply("response.code == 403", "FORBIDDEN", "This is not allowed."),
    Reply("response.code == 404", "NOT_FOUND", "There is nothing at this path."),
    Reply("response.code == 405", "METHOD_NOT_ALLOWED", "This method is not allowed here; see Allow."),
    Reply("response.code == 408", "VALIDATION_ERROR", "The request did not arrive in time."),
    Reply("response.code == 413", "FILE_TOO_LARGE", "The body is larger than this path takes."),
    Reply("response.code == 429", "RATE_LIMITED", "Too many requests.", headers=_RETRY),
    Reply("response.code == 431", "VALIDATION_ERROR", "The headers are larger than the gateway takes."),
    Reply("response.code < 500", "VALIDATION_ERROR", "The request is malformed."),
    Reply(
        f"response.code == 503 && xds.cluster_name == '{Service.ADMIN}'",
        "ADMIN_UNAVAILABLE",
        "The admin service cannot be reached just now.",
        headers=_RETRY,
    ),
    Reply(
        "response.code == 503",
        "STORAGE_UNAVAILABLE",
        "The service behind this path cannot be reached just now.",
        headers=_RETRY,
    ),
    Reply("response.code == 502", "UPSTREAM_FAILED", "The service behind this path answered wrongly."),
    Reply("response.code == 504", "UPSTREAM_FAILED", "The service behind this path did not answer in time."),
    Reply("true", "INTERNAL_ERROR", "The gateway could not handle the request."),
)


def local_reply_config(more_headers: Sequence[Config] = ()) -> Config:
    """A `LocalReplyConfig` that gives every answer of Envoy's own a code and a message, and these headers."""
    return {"mappers": [_mapper(reply, more_headers) for reply in REPLIES]}


def _mapper(reply: Reply, more_headers: Sequence[Config]) -> Config:
    mapper: Config = {
        "filter": {
            "extension_filter": {
                "name": "envoy.access_loggers.extension_filters.cel",
                "typed_config": typed(
                    "envoy.extensions.access_loggers.filters.cel.v3.ExpressionFilter", expression=reply.when
                ),
            }
        },
        "body_format_override": {
            "json_format": {
                "error": {
                    "code": reply.code,
                    "message": reply.message,
                    "request_id": "%REQ(X-REQUEST-ID)%",
                }
            },
            # A request that is refused before its headers were read has no id yet.
            "omit_empty_values": True,
        },
    }
    if reply.status is not None:
        mapper["status_code"] = reply.status
    headers = {"X-Content-Type-Options": "nosniff", **reply.headers}
    mapper["headers_to_add"] = [*(header(name, value) for name, value in headers.items()), *more_headers]
    return mapper

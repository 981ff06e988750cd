"""`WWW-Authenticate` of a refusal (RFC 6750 §3)."""

from __future__ import annotations

from artstore_core.errors import Forbidden, Unauthorized

REALM = 'Bearer realm="artstore"'


def missing_token() -> Unauthorized:
    """No error code: the client gave nothing that could be wrong (RFC 6750 §3.1)."""
    return Unauthorized("An access token is needed", headers={"WWW-Authenticate": REALM})


def invalid_token(reason: str) -> Unauthorized:
    challenge = f'{REALM}, error="invalid_token", error_description="{reason}"'
    return Unauthorized(f"The access token was refused: {reason}", headers={"WWW-Authenticate": challenge})


def insufficient_scope(scope: str) -> Forbidden:
    challenge = f'{REALM}, error="insufficient_scope", scope="{scope}"'
    return Forbidden(f"This needs the scope {scope}", headers={"WWW-Authenticate": challenge})

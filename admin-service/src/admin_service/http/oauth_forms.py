"""What OAuth endpoints read and how they refuse: forms, client credentials, errors (RFC 6749 §2.3, §3.2, §5.2)."""

import base64
from typing import Any
from urllib.parse import parse_qs, unquote_plus

from authlib.oauth2.rfc6749.errors import InvalidClientError, InvalidRequestError, OAuth2Error
from fastapi import Depends, Request, Response
from fastapi.openapi.models import HTTPBase
from fastapi.responses import JSONResponse
from fastapi.security.base import SecurityBase
from pydantic import BaseModel

from admin_service.identity.clients import ClientCredentials

FORM = "application/x-www-form-urlencoded"
MAX_FIELDS = 20
MAX_CREDENTIAL = 1024
"""Characters. Far longer than any that was given out; what is done with longer ones costs more than they are worth."""
NO_STORE = {"Cache-Control": "no-store", "Pragma": "no-cache"}


class UnreadableCredentials(InvalidClientError):  # type: ignore[misc]
    """None at all, or none that could be anybody's."""

    def __init__(self, description: str) -> None:
        super().__init__(description=description, status_code=401)


class _ClientSecretBasic(SecurityBase):
    """For the contract alone: `read_credentials` reads the header itself, and refuses as OAuth has it."""

    model = HTTPBase(scheme="basic")
    scheme_name = "clientSecretBasic"

    async def __call__(self) -> None: ...


TOLD_OF_BASIC = [Depends(_ClientSecretBasic())]


class OAuthError(BaseModel):
    """RFC 6749 §5.2."""

    error: str
    error_description: str | None = None


def described_form(required: list[str], properties: dict[str, Any]) -> dict[str, Any]:
    """OpenAPI for an endpoint that reads its own form, with the client's credentials in it or in the header."""
    credentials = {"client_id": {"type": "string"}, "client_secret": {"type": "string", "format": "password"}}
    schema = {"type": "object", "required": required, "properties": {**properties, **credentials}}
    return {
        "requestBody": {"required": True, "content": {FORM: {"schema": schema}}},
        "security": [{}],  # or not by HTTP Basic
    }


async def read_form(request: Request) -> dict[str, str]:
    """The form's fields. Raises InvalidRequestError for another media type or a field given twice (RFC 6749 §3.2)."""
    media_type = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if media_type != FORM:
        raise InvalidRequestError(f"The body must be {FORM}")
    try:
        fields = parse_qs(
            (await request.body()).decode("ascii"), keep_blank_values=True, max_num_fields=MAX_FIELDS, errors="strict"
        )
    except ValueError:
        raise InvalidRequestError("The form cannot be read") from None
    if any(len(values) > 1 for values in fields.values()):
        raise InvalidRequestError("A parameter was given more than once")
    if any("\x00" in values[0] for values in fields.values()):
        raise InvalidRequestError("A parameter contains NUL")
    # A parameter without a value counts as left out (RFC 6749 §3.2).
    return {name: values[0] for name, values in fields.items() if values[0]}


def read_credentials(authorization: str | None, form: dict[str, str]) -> ClientCredentials:
    """From HTTP Basic or the form, not both (RFC 6749 §2.3). Raises UnreadableCredentials, InvalidRequestError."""
    if authorization is None:
        if "client_id" not in form or "client_secret" not in form:
            raise UnreadableCredentials("No client credentials")
        given = ClientCredentials(form["client_id"], form["client_secret"])
    elif "client_secret" in form:
        raise InvalidRequestError("Credentials were given twice")
    else:
        given = _basic(authorization)
    if len(given.client_id) > MAX_CREDENTIAL or len(given.secret) > MAX_CREDENTIAL:
        raise UnreadableCredentials("The client credentials are too long")
    return given


def _basic(authorization: str) -> ClientCredentials:
    scheme, _, encoded = authorization.partition(" ")
    try:
        name, _, secret = base64.b64decode(encoded, validate=True).decode().partition(":")
    except ValueError:  # not base64, not ASCII, not UTF-8
        name = secret = ""
    name, secret = unquote_plus(name), unquote_plus(secret)
    if scheme.lower() != "basic" or not name or "\x00" in name:
        raise UnreadableCredentials("The Authorization header cannot be read")
    return ClientCredentials(name, secret)


def oauth_error(error: OAuth2Error) -> Response:
    status, body, _ = error()
    # Authlib's own challenge lacks the realm, which RFC 7617 §2 asks for.
    challenge = {"WWW-Authenticate": f'Basic realm="artstore", error="{error.error}"'} if status == 401 else {}
    return JSONResponse(body, status_code=status, headers={**challenge, **NO_STORE})

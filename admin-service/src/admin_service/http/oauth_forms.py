"""What OAuth endpoints read and how they refuse: forms, client credentials, errors (RFC 6749 §2.3, §3.2, §5.2)."""

import base64
import binascii
from typing import Any
from urllib.parse import parse_qs, unquote_plus

from authlib.oauth2.rfc6749.errors import InvalidClientError, InvalidRequestError, OAuth2Error
from fastapi import Request, Response
from fastapi.responses import JSONResponse
from pydantic import BaseModel

from admin_service.identity.clients import ClientCredentials

FORM = "application/x-www-form-urlencoded"
MAX_FIELDS = 20
NO_STORE = {"Cache-Control": "no-store", "Pragma": "no-cache"}


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
        "security": [{"clientSecretBasic": []}, {}],
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
    """From HTTP Basic or the form, not both (RFC 6749 §2.3)."""
    if authorization is None:
        if "client_id" not in form or "client_secret" not in form:
            raise InvalidClientError(description="No client credentials", status_code=401)
        return ClientCredentials(form["client_id"], form["client_secret"])
    if "client_secret" in form:
        raise InvalidRequestError("Credentials were given twice")
    scheme, _, encoded = authorization.partition(" ")
    try:
        name, _, secret = base64.b64decode(encoded, validate=True).decode().partition(":")
    except (binascii.Error, UnicodeDecodeError):
        name = secret = ""
    name, secret = unquote_plus(name), unquote_plus(secret)
    if scheme.lower() != "basic" or not name or "\x00" in name:
        raise InvalidClientError(description="The Authorization header cannot be read", status_code=401)
    return ClientCredentials(name, secret)


def oauth_error(error: OAuth2Error) -> Response:
    status, body, _ = error()
    # Authlib's own challenge lacks the realm, which RFC 7617 §2 asks for.
    challenge = {"WWW-Authenticate": f'Basic realm="artstore", error="{error.error}"'} if status == 401 else {}
    return JSONResponse(body, status_code=status, headers={**challenge, **NO_STORE})

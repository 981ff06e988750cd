"""The token endpoint (RFC 6749 §3.2) and the documents that lead clients to it (RFC 8414, RFC 7517)."""

import base64
import binascii
from typing import Any
from urllib.parse import parse_qs, unquote_plus

from artstore_core.scopes import Scope
from authlib.oauth2.rfc6749.errors import (
    InvalidClientError,
    InvalidRequestError,
    OAuth2Error,
    UnsupportedGrantTypeError,
)
from authlib.oauth2.rfc8414 import AuthorizationServerMetadata
from fastapi import APIRouter, Request, Response
from fastapi.responses import JSONResponse
from pydantic import BaseModel, Field

from admin_service.identity.keys import KeyRing
from admin_service.identity.tokens import ClientCredentials, ClientCredentialsGrant

FORM = "application/x-www-form-urlencoded"
MAX_FIELDS = 20
JWKS_SECONDS = 300
_NO_STORE = {"Cache-Control": "no-store", "Pragma": "no-cache"}

TOKEN_PATH = "/api/v1/auth/token"
JWKS_PATH = "/.well-known/jwks.json"


class TokenAnswer(BaseModel):
    """RFC 6749 §5.1."""

    access_token: str
    token_type: str = "Bearer"
    expires_in: int = Field(description="Seconds")
    scope: str


class OAuthError(BaseModel):
    """RFC 6749 §5.2."""

    error: str
    error_description: str | None = None


class JwkSet(BaseModel):
    """RFC 7517 §5."""

    keys: list[dict[str, Any]]


_TOKEN_FORM = {
    "requestBody": {
        "required": True,
        "content": {
            FORM: {
                "schema": {
                    "type": "object",
                    "required": ["grant_type"],
                    "properties": {
                        "grant_type": {"type": "string", "enum": ["client_credentials"]},
                        "scope": {"type": "string"},
                        "resource": {"type": "string", "description": "RFC 8707; for accounts of kind service"},
                        "client_id": {"type": "string"},
                        "client_secret": {"type": "string", "format": "password"},
                    },
                }
            }
        },
    },
    "security": [{"clientSecretBasic": []}, {}],
}


def router(grant: ClientCredentialsGrant, keys: KeyRing, issuer: str) -> APIRouter:
    routes = APIRouter(tags=["oauth"])
    metadata = server_metadata(issuer)

    @routes.post(
        TOKEN_PATH,
        response_model=TokenAnswer,
        responses={400: {"model": OAuthError}, 401: {"model": OAuthError}},
        openapi_extra=_TOKEN_FORM,
    )
    async def issue_token(request: Request) -> Response:
        """An access token by client credentials. Credentials by HTTP Basic, or in the form."""
        try:
            form = await read_form(request)
            if form.get("grant_type") != "client_credentials":
                if "grant_type" not in form:
                    raise InvalidRequestError("grant_type is missing")
                raise UnsupportedGrantTypeError(form["grant_type"])
            credentials = read_credentials(request.headers.get("authorization"), form)
            issued = await grant.token(credentials, scope=form.get("scope"), resource=form.get("resource"))
        except OAuth2Error as error:
            return oauth_error(error)
        answer = TokenAnswer(
            access_token=issued.access_token, expires_in=issued.expires_in, scope=issued.scope
        ).model_dump()
        return JSONResponse(answer, headers=_NO_STORE)

    @routes.get(JWKS_PATH)
    async def jwks(response: Response) -> JwkSet:
        """The public keys that tokens are signed with."""
        response.headers["Cache-Control"] = f"public, max-age={JWKS_SECONDS}"
        return JwkSet.model_validate(await keys.jwks())

    @routes.get("/.well-known/oauth-authorization-server")
    async def authorization_server_metadata(response: Response) -> dict[str, Any]:
        """Where what is, for OAuth clients that know nothing of ArtStore."""
        response.headers["Cache-Control"] = f"public, max-age={JWKS_SECONDS}"
        return metadata

    return routes


def server_metadata(issuer: str) -> dict[str, Any]:
    """RFC 8414 §2. Raises ValueError when the issuer is not fit for it."""
    methods = ["client_secret_basic", "client_secret_post"]
    document = AuthorizationServerMetadata(
        issuer=issuer,
        token_endpoint=f"{issuer}{TOKEN_PATH}",
        jwks_uri=f"{issuer}{JWKS_PATH}",
        scopes_supported=[scope.value for scope in Scope],
        # Required even where no response type is in use; "none" is the registered word for that.
        response_types_supported=["none"],
        grant_types_supported=["client_credentials"],
        token_endpoint_auth_methods_supported=methods,
    )
    document.validate()
    return dict(document)


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
    return JSONResponse(body, status_code=status, headers={**challenge, **_NO_STORE})

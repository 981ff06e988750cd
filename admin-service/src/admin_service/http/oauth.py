"""The OAuth endpoints for programs: token, introspection, revocation, and the documents that lead to them.

RFC 6749 §3.2, RFC 7662, RFC 7009, RFC 8414, RFC 7517.
"""

from collections.abc import Awaitable, Callable
from typing import Any

from artstore_core.errors import Unauthorized
from artstore_core.scopes import Scope
from artstore_kit.errors import Refused
from authlib.oauth2.rfc6749.errors import InvalidRequestError, OAuth2Error, UnsupportedGrantTypeError
from authlib.oauth2.rfc8414 import AuthorizationServerMetadata
from fastapi import APIRouter, Request, Response
from fastapi.responses import JSONResponse
from pydantic import BaseModel, ConfigDict, Field

from admin_service.audit.log import Actor
from admin_service.http.caller import actor_of
from admin_service.http.oauth_forms import (
    NO_STORE,
    TOLD_OF_BASIC,
    OAuthError,
    UnreadableCredentials,
    described_form,
    oauth_error,
    read_credentials,
    read_form,
)
from admin_service.identity.clients import ClientAuthentication
from admin_service.identity.inspection import TokenInspection
from admin_service.identity.keys import KeyRing
from admin_service.identity.tokens import ClientCredentialsGrant

JWKS_SECONDS = 300

TOKEN_PATH = "/api/v1/auth/token"
INTROSPECTION_PATH = "/api/v1/auth/introspect"
REVOCATION_PATH = "/api/v1/auth/revoke"
JWKS_PATH = "/.well-known/jwks.json"


class TokenAnswer(BaseModel):
    """RFC 6749 §5.1."""

    access_token: str
    token_type: str = "Bearer"
    expires_in: int = Field(description="Seconds")
    scope: str


class Introspection(BaseModel):
    """RFC 7662 §2.2. Only `active` when it is false."""

    model_config = ConfigDict(extra="allow")

    active: bool
    token_type: str | None = None
    scope: str | None = None
    client_id: str | None = None
    username: str | None = None
    sub: str | None = None
    aud: str | None = None
    iss: str | None = None
    jti: str | None = None
    iat: int | None = None
    exp: int | None = None
    role: str | None = None


class JwkSet(BaseModel):
    """RFC 7517 §5."""

    keys: list[dict[str, Any]]


_TOKEN_FORM = described_form(
    ["grant_type"],
    {
        "grant_type": {"type": "string", "enum": ["client_credentials"]},
        "scope": {"type": "string"},
        "resource": {"type": "string", "description": "RFC 8707; for accounts of kind service"},
    },
)
_INSPECTION_FORM = described_form(
    ["token"],
    {
        "token": {"type": "string", "description": "An access token or a refresh token"},
        "token_type_hint": {"type": "string", "description": "Not needed: the two cannot be confused"},
    },
)
_ERRORS: dict[int | str, dict[str, Any]] = {400: {"model": OAuthError}, 401: {"model": OAuthError}}


def router(
    grant: ClientCredentialsGrant,
    clients: ClientAuthentication,
    inspection: TokenInspection,
    keys: KeyRing,
    issuer: str,
    refused: Refused,
) -> APIRouter:
    """`refused` hears of requests without readable credentials; of all others the use cases keep entries themselves."""
    routes = APIRouter(tags=["oauth"])
    by_clients: dict[str, Any] = {"dependencies": TOLD_OF_BASIC, "responses": _ERRORS}
    metadata = server_metadata(issuer)

    async def answered(request: Request, answer: Callable[[dict[str, str], Actor], Awaitable[Response]]) -> Response:
        try:
            return await answer(await read_form(request), actor_of(request, "anonymous"))
        except OAuth2Error as error:
            if isinstance(error, UnreadableCredentials):
                refused(request, Unauthorized(str(error.description)))
            return oauth_error(error)

    @routes.post(TOKEN_PATH, response_model=TokenAnswer, openapi_extra=_TOKEN_FORM, **by_clients)
    async def issue_token(request: Request) -> Response:
        """An access token by client credentials. Credentials by HTTP Basic, or in the form."""

        async def answer(form: dict[str, str], by: Actor) -> Response:
            if form.get("grant_type") != "client_credentials":
                if "grant_type" not in form:
                    raise InvalidRequestError("grant_type is missing")
                raise UnsupportedGrantTypeError(form["grant_type"])
            credentials = read_credentials(request.headers.get("authorization"), form)
            issued = await grant.token(credentials, by, scope=form.get("scope"), resource=form.get("resource"))
            body = TokenAnswer(access_token=issued.access_token, expires_in=issued.expires_in, scope=issued.scope)
            return JSONResponse(body.model_dump(), headers=NO_STORE)

        return await answered(request, answer)

    @routes.post(INTROSPECTION_PATH, response_model=Introspection, openapi_extra=_INSPECTION_FORM, **by_clients)
    async def introspect_token(request: Request) -> Response:
        """Whether a token counts now, and what it says. Any account may ask."""

        async def answer(form: dict[str, str], by: Actor) -> Response:
            await clients.prove(read_credentials(request.headers.get("authorization"), form), by)
            return JSONResponse(await inspection.introspect(_token_of(form)), headers=NO_STORE)

        return await answered(request, answer)

    @routes.post(REVOCATION_PATH, response_class=Response, openapi_extra=_INSPECTION_FORM, **by_clients)
    async def revoke_token(request: Request) -> Response:
        """Ends an access token of this client's own (of anybody's with `admin:write`), or a refresh token's session.

        200 for a token that nobody knows, too. Other services find out when an access token expires.
        """

        async def answer(form: dict[str, str], by: Actor) -> Response:
            proven = await clients.prove(read_credentials(request.headers.get("authorization"), form), by)
            await inspection.revoke(
                _token_of(form), proven.account, Actor(proven.account.subject, by.address, by.request_id)
            )
            return Response(headers=NO_STORE)

        return await answered(request, answer)

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
        introspection_endpoint=f"{issuer}{INTROSPECTION_PATH}",
        introspection_endpoint_auth_methods_supported=methods,
        revocation_endpoint=f"{issuer}{REVOCATION_PATH}",
        revocation_endpoint_auth_methods_supported=methods,
    )
    document.validate()
    return dict(document)


def _token_of(form: dict[str, str]) -> str:
    if "token" not in form:
        raise InvalidRequestError("token is missing")
    return form["token"]

"""The door of a route: `Depends(guard.require(Scope.FILES_READ))` gives the Principal or refuses."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Collection
from contextvars import ContextVar
from typing import Annotated, Protocol

from artstore_core.scopes import Principal, Scope
from fastapi import Depends, Request
from fastapi.security import HTTPAuthorizationCredentials, HTTPBearer
from fastapi.security.utils import get_authorization_scheme_param

from artstore_auth.challenge import insufficient_scope, invalid_token, missing_token
from artstore_auth.verify import TokenVerifier

_bearer = HTTPBearer(auto_error=False, bearerFormat="JWT", scheme_name="accessToken")
Credentials = Annotated[HTTPAuthorizationCredentials | None, Depends(_bearer)]
RequirePrincipal = Callable[..., Awaitable[Principal]]
_asking: ContextVar[Principal | None] = ContextVar("artstore_principal", default=None)


def current_principal() -> Principal | None:
    """Who asks in this request, once its token was verified; also when the request was refused after that."""
    return _asking.get()


class Standing(Protocol):
    """What is known of a principal beyond its token: whether it was suspended or the token revoked since."""

    async def check(self, principal: Principal) -> None:
        """Raises Unauthorized when this token counts no more."""
        ...


class Guard:
    """Makes dependencies that let a token of the right scope, and on wish of certain audiences only, through.

    `standing` is admin's own: no other service knows more than the token says.
    """

    def __init__(self, verifier: TokenVerifier, standing: Standing | None = None) -> None:
        self._verifier, self._standing = verifier, standing

    def require(self, scope: Scope, *, audiences: Collection[str] | None = None) -> RequirePrincipal:
        """`audiences` narrows what the verifier accepts; None accepts all of those."""

        async def principal(credentials: Credentials) -> Principal:
            found = await self.authenticate(credentials)
            self.check(found, scope, audiences)
            return found

        return principal

    async def admit(self, request: Request, scope: Scope) -> Principal:
        """As a dependency of `require`, for a route that asks by itself."""
        found = await self.authenticate(_credentials(request))
        self.check(found, scope)
        return found

    async def authenticate(self, credentials: HTTPAuthorizationCredentials | None) -> Principal:
        _asking.set(None)
        if credentials is None:
            raise missing_token()
        principal = await self._verifier.verify(credentials.credentials)
        _asking.set(principal)
        if self._standing is not None:
            await self._standing.check(principal)
        return principal

    def check(self, principal: Principal, scope: Scope, audiences: Collection[str] | None = None) -> None:
        if audiences is not None and principal.audience not in audiences:
            raise invalid_token("wrong audience")
        if scope.value not in principal.scopes:
            raise insufficient_scope(scope.value)


def _credentials(request: Request) -> HTTPAuthorizationCredentials | None:
    scheme, credentials = get_authorization_scheme_param(request.headers.get("authorization"))
    if scheme.lower() != "bearer" or not credentials:
        return None
    return HTTPAuthorizationCredentials(scheme=scheme, credentials=credentials)

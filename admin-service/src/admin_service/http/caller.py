"""Who asks: the principal of the token, and where the request came from, for the audit log."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Collection
from dataclasses import dataclass

from artstore_auth.challenge import invalid_token
from artstore_auth.guard import Credentials, Guard
from artstore_core.scopes import Principal, Scope
from artstore_kit.context import current_request_id
from fastapi import Request

from admin_service.audit.log import Actor


@dataclass(frozen=True, slots=True)
class Caller:
    principal: Principal
    actor: Actor


RequireCaller = Callable[..., Awaitable[Caller]]


class Callers:
    """Makes the dependencies of routes that change something."""

    def __init__(self, guard: Guard) -> None:
        self._guard = guard

    def require(self, scope: Scope | None, *, audiences: Collection[str] | None = None) -> RequireCaller:
        """`scope` None: any token that counts."""

        async def caller(request: Request, credentials: Credentials) -> Caller:
            principal = await self._guard.authenticate(credentials)
            if audiences is not None and principal.audience not in audiences:
                raise invalid_token("wrong audience")
            if scope is not None:
                self._guard.check(principal, scope)
            return Caller(principal, actor_of(request, principal.subject))

        return caller


def actor_of(request: Request, subject: str) -> Actor:
    """The address is the client's own, behind a trusted proxy too: the app's ClientAddress has put it there."""
    return Actor(subject, request.client.host if request.client else None, current_request_id())

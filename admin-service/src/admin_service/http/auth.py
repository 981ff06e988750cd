"""Sign-in of people over HTTP, and who one is."""

from typing import Annotated

from artstore_auth.guard import Guard
from artstore_core.errors import Forbidden
from fastapi import APIRouter, Depends, Request, Response
from pydantic import AfterValidator, BaseModel, ConfigDict, Field

from admin_service.http.caller import Caller, Callers, actor_of
from admin_service.identity.me import Me, who_is
from admin_service.identity.sessions import Sessions, SignedIn
from admin_service.store import Store

MAX_TYPED = 4096
"""Longer than any name or password may be: what is wrong with those is said as for any other wrong one."""


AUDITED_PATHS = frozenset({"/api/v1/auth/login"})
"""Whose refusals the use case writes into the audit log itself, all of them."""


def _without_nul(text: str) -> str:
    if "\x00" in text:
        raise ValueError("must not contain NUL")
    return text


Typed = Annotated[str, Field(min_length=1, max_length=MAX_TYPED), AfterValidator(_without_nul)]
Secret = Annotated[Typed, Field(json_schema_extra={"format": "password"})]


class _Strict(BaseModel):
    model_config = ConfigDict(extra="forbid")


class LoginIn(_Strict):
    username: Typed
    password: Secret


class RefreshIn(_Strict):
    refresh_token: Typed


class PasswordIn(_Strict):
    current_password: Secret
    new_password: Secret


class SessionAnswer(BaseModel):
    """`refresh_token` is good for one use."""

    access_token: str
    refresh_token: str
    token_type: str
    expires_in: int = Field(description="Seconds")
    password_change_required: bool | None = Field(
        default=None, description="True: the token has no scopes until the password is changed; else left out"
    )

    @classmethod
    def of(cls, signed_in: SignedIn) -> "SessionAnswer":
        return cls(
            access_token=signed_in.access_token,
            refresh_token=signed_in.refresh_token,
            token_type="Bearer",
            expires_in=signed_in.expires_in,
            password_change_required=signed_in.password_change_required or None,
        )


def router(sessions: Sessions, store: Store, guard: Guard) -> APIRouter:
    routes = APIRouter(prefix="/api/v1/auth", tags=["auth"])
    anybody = Annotated[Caller, Depends(Callers(guard).require(None))]

    @routes.post("/login", response_model_exclude_none=True)
    async def login(request: Request, body: LoginIn, response: Response) -> SessionAnswer:
        """Tokens by user name and password. 401 says the same whatever is wrong."""
        _never_kept(response)
        return SessionAnswer.of(await sessions.login(body.username, body.password, actor_of(request, "anonymous")))

    @routes.post("/refresh", response_model_exclude_none=True)
    async def refresh(request: Request, body: RefreshIn, response: Response) -> SessionAnswer:
        """New tokens for a refresh token. One that comes a second time ends the whole session."""
        _never_kept(response)
        return SessionAnswer.of(await sessions.refresh(body.refresh_token, actor_of(request, "anonymous")))

    @routes.post("/logout", status_code=204)
    async def logout(request: Request, body: RefreshIn) -> None:
        """Ends the session that the refresh token belongs to. No access token is needed."""
        await sessions.end(body.refresh_token, actor_of(request, "anonymous"))

    @routes.post("/change-password", status_code=204)
    async def change_password(who: anybody, body: PasswordIn) -> None:
        """By oneself. Ends all other sessions; the one of this token goes on with its refresh token."""
        kind, _, username = who.principal.subject.partition(":")
        if kind != "user":
            raise Forbidden("Only people have passwords")
        await sessions.change_password(
            username, who.principal.token_id, body.current_password, body.new_password, who.actor
        )

    @routes.get("/me")
    async def me(who: anybody) -> Me:
        """Whom the token speaks for, what it may do, and how much that principal holds and may hold."""
        async with store.transaction() as rows:
            return await who_is(rows, who.principal)

    return routes


def _never_kept(response: Response) -> None:
    response.headers["Cache-Control"] = "no-store"
    response.headers["Pragma"] = "no-cache"

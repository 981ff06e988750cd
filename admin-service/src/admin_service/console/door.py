"""The console's doors: who comes in, and which forms count."""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from typing import Any, Final
from urllib.parse import urlsplit

from artstore_core.errors import ValidationFailed
from fastapi import Request, Response
from fastapi.responses import RedirectResponse
from starlette.datastructures import FormData

from admin_service.console.api import Api, Upstreams
from admin_service.console.pages import BASE, SAID_COOKIE, SAYINGS, Pages, link
from admin_service.console.refusals import FormNotOurs, PasswordChangeNeeded, SignInNeeded
from admin_service.console.visits import Visitor, Visits, csrf_matches

VISIT_COOKIE: Final = "artstore_visit"
CSRF_FIELD, CSRF_HEADER = "csrf", "x-csrf-token"
WATCHING_HEADER: Final = "x-watching"
"""On what a page asks for by itself, however often: it keeps nobody's visit from ending."""
MAX_FIELDS: Final = 200
PASSWORD_PAGE: Final = "password"


@dataclass(frozen=True, slots=True)
class Visit:
    """One request of somebody who is signed in."""

    request: Request
    visitor: Visitor
    api: Api
    pages: Pages

    def show(self, template: str, *, status: int = 200, **told: Any) -> Response:
        return self.pages.show(self.request, template, self.visitor, status=status, **told)

    def go(self, path: str, said: str | None = None, **params: Any) -> Response:
        """On to another page, after something was done (RFC 9110 §15.4.4). `said`: one of SAYINGS."""
        return go(self.request, link(path, **params), said)


@dataclass(frozen=True, slots=True)
class Form:
    """What was filled in: text alone. `values` go back into a form that was refused."""

    data: FormData

    @property
    def values(self) -> dict[str, str]:
        return {name: value for name, value in self.data.items() if isinstance(value, str) and name != CSRF_FIELD}

    def text(self, name: str) -> str:
        value = self.data.get(name)
        return value if isinstance(value, str) else ""

    def optional(self, name: str) -> str | None:
        return self.text(name).strip() or None

    def several(self, name: str) -> list[str]:
        return [value for value in self.data.getlist(name) if isinstance(value, str) and value]

    def checked(self, name: str) -> bool:
        return self.text(name) != ""

    def whole(self, name: str) -> int | None:
        """Raises ValidationFailed for what is no whole number."""
        given = self.optional(name)
        if given is None:
            return None
        try:
            return int(given)
        except ValueError:
            raise ValidationFailed("The form is not valid", details={name: "must be a whole number"}) from None


class Doors:
    """Makes the dependencies of the console's routes."""

    def __init__(self, visits: Visits, upstreams: Upstreams, pages: Pages) -> None:
        self._visits, self._upstreams, self.pages = visits, upstreams, pages

    async def visitor(self, request: Request) -> Visitor | None:
        cookie = request.cookies.get(VISIT_COOKIE)
        return await self._visits.visitor(cookie, watching=WATCHING_HEADER in request.headers) if cookie else None

    async def visit(self, request: Request) -> Visit:
        """Raises SignInNeeded, PasswordChangeNeeded."""
        return self._let_in(request, await self.visitor(request))

    async def watching(self, request: Request) -> Visit:
        """For EventSource, which can send no header. Raises as `visit` does."""
        cookie = request.cookies.get(VISIT_COOKIE)
        return self._let_in(request, await self._visits.visitor(cookie, watching=True) if cookie else None)

    def _let_in(self, request: Request, visitor: Visitor | None) -> Visit:
        if visitor is None:
            raise SignInNeeded
        if visitor.user.must_change_password and request.url.path != link(PASSWORD_PAGE):
            raise PasswordChangeNeeded
        address = request.client.host if request.client else None
        api = Api(self._upstreams, visitor, address, partial(self._visits.token_anew, visitor))
        return Visit(request, visitor, api, self.pages)

    async def form(self, request: Request) -> Form:
        """The form of somebody who is signed in. Raises FormNotOurs for one that another page had sent."""
        return await own_form(request, request.cookies.get(VISIT_COOKIE, ""))


async def own_form(request: Request, secret: str) -> Form:
    """`secret`: the cookie that the form's token was made of."""
    if not _from_our_pages(request):
        raise FormNotOurs
    form = Form(await request.form(max_files=0, max_fields=MAX_FIELDS))
    given = request.headers.get(CSRF_HEADER) or form.text(CSRF_FIELD)
    if not secret or not csrf_matches(secret, given):
        raise FormNotOurs
    return form


def _from_our_pages(request: Request) -> bool:
    """By what the browser says of itself (Fetch Metadata, Origin); one that says neither has only the token to show."""
    site = request.headers.get("sec-fetch-site")
    if site is not None and site != "same-origin":
        return False
    origin = request.headers.get("origin")
    return origin is None or urlsplit(origin).netloc == request.headers.get("host")


def go(request: Request, target: str, said: str | None = None) -> Response:
    """`target` is an address of the console, never one that a client gave."""
    answer: Response
    if request.headers.get("hx-request") == "true":
        answer = Response(status_code=204, headers={"HX-Redirect": target})
    else:
        answer = RedirectResponse(target, 303)
    answer.headers["Cache-Control"] = "no-store"
    if said is not None:
        assert said in SAYINGS
        answer.set_cookie(
            SAID_COOKIE, said, max_age=60, path=BASE, httponly=True, samesite="lax", secure=secure(request)
        )
    return answer


def secure(request: Request) -> bool:
    """Whether the browser came by TLS, as the gateway says: then no cookie of ours ever goes without."""
    return request.headers.get("x-forwarded-proto", request.url.scheme) == "https"


def own_path(given: str) -> str:
    """Where to go after the sign-in: a page of ours, or the first one. Never another host's (open redirect)."""
    parts = urlsplit(given)
    plain = given.isprintable() and "\\" not in given and not parts.scheme and not parts.netloc
    return given if plain and (parts.path == BASE or parts.path.startswith(f"{BASE}/")) else f"{BASE}/"

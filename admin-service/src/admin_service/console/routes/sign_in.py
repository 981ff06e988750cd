"""In and out, another password, and how the console looks to its visitor."""

import secrets
from typing import Annotated, Any, Final

from artstore_core.errors import ArtStoreError, RateLimited, Unauthorized, ValidationFailed
from fastapi import APIRouter, Depends, Query, Request, Response

from admin_service.console.door import VISIT_COOKIE, Form, Visit, go, own_form, own_path, secure
from admin_service.console.language import LANGUAGES
from admin_service.console.pages import BASE, LANGUAGE_COOKIE, THEME_COOKIE, THEMES, link
from admin_service.console.parts import Console
from admin_service.console.visits import csrf_token
from admin_service.http.caller import actor_of

FORM_COOKIE: Final = "artstore_form"
"""What the sign-in form's token is made of, while there is no visit yet."""
MAX_TYPED: Final = 4096
YEAR: Final = 365 * 86400


def router(console: Console) -> APIRouter:
    routes = APIRouter()
    pages, visits, doors = console.pages, console.visits, console.doors
    visiting = Annotated[Visit, Depends(doors.visit)]
    filled_in = Annotated[Form, Depends(doors.form)]

    def form(
        request: Request, wanted: str, *, status: int = 200, error: ArtStoreError | None = None, name: str = ""
    ) -> Response:
        secret = request.cookies.get(FORM_COOKIE) or secrets.token_urlsafe(32)
        told: dict[str, Any] = {"csrf": csrf_token(secret), "next": own_path(wanted), "error": error, "username": name}
        answer = pages.show(request, "sign_in.html", status=status, **told)
        answer.set_cookie(FORM_COOKIE, secret, path=BASE, httponly=True, samesite="lax", secure=secure(request))
        return answer

    @routes.get("/sign-in")
    async def sign_in_page(
        request: Request, wanted: Annotated[str, Query(alias="next", max_length=2000)] = ""
    ) -> Response:
        if await doors.visitor(request) is not None:
            return go(request, own_path(wanted))
        return form(request, wanted)

    @routes.post("/sign-in")
    async def sign_in(request: Request) -> Response:
        """A new cookie, whatever cookie came with the form: nobody is given a visit that somebody else knows of."""
        given = await own_form(request, request.cookies.get(FORM_COOKIE, ""))
        name, password = given.text("username"), given.text("password")
        try:
            cookie = await visits.begin(
                _typed(name, "username"), _typed(password, "password"), actor_of(request, "anonymous")
            )
        except (Unauthorized, RateLimited, ValidationFailed) as error:
            return form(request, given.text("next"), status=error.status, error=error, name=name[:100])
        answer = go(request, own_path(given.text("next")))
        answer.delete_cookie(FORM_COOKIE, path=BASE, httponly=True, samesite="lax")
        answer.set_cookie(VISIT_COOKIE, cookie, path=BASE, httponly=True, samesite="lax", secure=secure(request))
        return answer

    @routes.post("/sign-out")
    async def sign_out(request: Request, _form: filled_in) -> Response:
        await visits.end(request.cookies.get(VISIT_COOKIE, ""), actor_of(request, "anonymous"))
        answer = go(request, link("sign-in"), "signed-out")
        answer.delete_cookie(VISIT_COOKIE, path=BASE, httponly=True, samesite="lax")
        # What the browser kept of the visit, pages to go back to as well, is nobody's business now.
        answer.headers["Clear-Site-Data"] = '"cache"'
        return answer

    @routes.get("/password")
    async def password_page(visit: visiting) -> Response:
        return visit.show("password.html", error=None)

    @routes.post("/password")
    async def change_password(visit: visiting, given: filled_in) -> Response:
        try:
            if given.text("new_password") != given.text("again"):
                raise ValidationFailed("The password is not fit for use", details={"again": "is another password"})
            body = {"current_password": given.text("current_password"), "new_password": given.text("new_password")}
            await visit.api.post("/api/v1/auth/change-password", body)
        except (Unauthorized, RateLimited, ValidationFailed) as error:
            return visit.show("password.html", status=error.status, error=error)
        return visit.go("", "password-changed")

    @routes.post("/preferences")
    async def prefer(request: Request) -> Response:
        """Language and theme. Nothing that another page could harm anybody with, and asked for before the sign-in too."""
        given = Form(await request.form(max_files=0, max_fields=4))
        answer = go(request, own_path(given.text("next")))
        for cookie, value, known in (
            (LANGUAGE_COOKIE, given.text("language"), LANGUAGES),
            (THEME_COOKIE, given.text("theme"), THEMES),
        ):
            if value in known:
                answer.set_cookie(cookie, value, max_age=YEAR, path=BASE, samesite="lax", secure=secure(request))
        return answer

    return routes


def _typed(text: str, field: str) -> str:
    if not text or len(text) > MAX_TYPED or "\x00" in text:
        raise ValidationFailed("Type the user name and the password", details={field: "is not one"})
    return text

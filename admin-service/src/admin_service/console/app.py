"""The console as an app of its own below `/admin`: its errors are pages."""

from __future__ import annotations

from http import HTTPStatus
from urllib.parse import quote

from artstore_core.errors import ArtStoreError, MethodNotAllowed, NotFound
from artstore_kit.errors import Refused, validation_failed
from fastapi import APIRouter, FastAPI, Request, Response
from fastapi.exceptions import RequestValidationError
from fastapi.responses import RedirectResponse
from starlette.exceptions import HTTPException

from admin_service.console.assets import OWN, VENDOR, Assets
from admin_service.console.door import PASSWORD_PAGE, Doors, go
from admin_service.console.pages import BASE, Pages, link
from admin_service.console.parts import Console
from admin_service.console.refusals import FormNotOurs, PasswordChangeNeeded, SignInNeeded, TokenNotTaken
from admin_service.console.routes import ROUTERS


def console_app(console: Console, assets: Assets, refused: Refused) -> FastAPI:
    """`refused` hears of forms that are not ours: what the API refuses, it tells of itself."""
    app = FastAPI(openapi_url=None, docs_url=None, redoc_url=None, redirect_slashes=False)
    app.include_router(assets.router())
    for router in ROUTERS:
        app.include_router(router(console))
    _install_error_pages(app, console.doors, console.pages, refused)
    return app


def entrance() -> APIRouter:
    """`/admin` as people type it: pages have a slash behind it, for what they name is below."""
    routes = APIRouter()

    @routes.get(BASE, include_in_schema=False)
    async def enter() -> Response:
        return RedirectResponse(link(""), 308)

    return routes


def own_assets() -> Assets:
    return Assets.of(OWN, VENDOR)


def _install_error_pages(app: FastAPI, doors: Doors, pages: Pages, refused: Refused) -> None:
    async def page(request: Request, error: ArtStoreError) -> Response:
        try:
            visitor = await doors.visitor(request)
        except ArtStoreError:
            visitor = None  # the database is away: the page that says so needs none
        answer = pages.show(request, "error.html", visitor, status=error.status, error=error)
        answer.headers.update(error.headers)
        return answer

    async def domain(request: Request, error: Exception) -> Response:
        assert isinstance(error, ArtStoreError)
        if isinstance(error, PasswordChangeNeeded):
            return go(request, link(PASSWORD_PAGE))
        if isinstance(error, SignInNeeded):
            if await doors.visitor(request) is not None:
                return await page(request, TokenNotTaken())  # to sign in would lead back here, again and again
            return go(request, _sign_in(request))
        if isinstance(error, FormNotOurs):
            refused(request, error)
        return await page(request, error)

    async def validation(request: Request, error: Exception) -> Response:
        assert isinstance(error, RequestValidationError)
        return await page(request, validation_failed(error.errors()))

    async def framework(request: Request, error: Exception) -> Response:
        assert isinstance(error, HTTPException)
        if error.status_code == HTTPStatus.METHOD_NOT_ALLOWED:
            return await page(request, MethodNotAllowed("This page cannot be used like that", headers=error.headers))
        return await page(request, NotFound("There is no such page"))

    app.add_exception_handler(ArtStoreError, domain)
    app.add_exception_handler(RequestValidationError, validation)
    app.add_exception_handler(HTTPException, framework)


def _sign_in(request: Request) -> str:
    if request.method != "GET" or request.headers.get("hx-request") == "true":
        return f"{BASE}/sign-in"
    wanted = request.url.path + (f"?{request.url.query}" if request.url.query else "")
    return f"{BASE}/sign-in?next={quote(wanted, safe='/')}"

"""One page: a template, what is said in it, and the headers that keep it to itself."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any, Final
from urllib.parse import urlencode

from artstore_core.scopes import Scope
from artstore_kit.context import current_request_id
from fastapi import Request, Response
from fastapi.responses import HTMLResponse
from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup

from admin_service.console.assets import Assets
from admin_service.console.language import LANGUAGES, Language, chosen
from admin_service.console.visits import Visitor
from admin_service.identity.clock import Clock

BASE: Final = "/admin"
TEMPLATES: Final = Path(__file__).with_name("templates")
LANGUAGE_COOKIE, THEME_COOKIE, SAID_COOKIE = "artstore_language", "artstore_theme", "artstore_said"
THEMES: Final = ("auto", "light", "dark")
_HOST: Final = re.compile(r"[A-Za-z0-9.-]{1,253}(:\d{1,5})?|\[[0-9A-Fa-f:.]{2,45}\](:\d{1,5})?")


@dataclass(frozen=True, slots=True)
class Section:
    """A part of the console as the menu shows it. `title` is a word of the catalogue."""

    path: str
    title: str
    icon: str


SECTIONS: Final = (
    Section("", "Overview", "overview"),
    Section("elements", "Storage elements", "elements"),
    Section("files", "Files", "files"),
    Section("accounts", "Service accounts", "accounts"),
    Section("users", "Users", "users"),
    Section("keys", "Signing keys", "keys"),
    Section("audit", "Audit log", "audit"),
    Section("render-jobs", "Previews", "previews"),
    Section("system", "System", "system"),
)


class Pages:
    """Renders the templates. `{{ _("…") }}` is translated; everything is escaped."""

    def __init__(self, assets: Assets, clock: Clock, version: str) -> None:
        self._assets, self._clock, self._version = assets, clock, version

    def language(self, request: Request) -> Language:
        asked = request.cookies.get(LANGUAGE_COOKIE)
        return _language(chosen(asked, request.headers.get("accept-language", "")))

    def show(
        self, request: Request, template: str, visitor: Visitor | None = None, *, status: int = 200, **told: Any
    ) -> Response:
        """`template` with `told`. What the visitor was told on the way here (`say`) is shown once."""
        language = self.language(request)
        said = request.cookies.get(SAID_COOKIE, "")
        context: dict[str, Any] = {
            "request": request,
            "path": request.url.path,
            "language": language,
            "languages": LANGUAGES,
            "theme": theme(request),
            "visitor": visitor,
            "may": _may(visitor),
            "sections": SECTIONS,
            "asset": self._asset,
            "link": link,
            "now": self._clock(),
            "version": self._version,
            "request_id": current_request_id(),
            "said": SAYINGS.get(said),
            "fragment": _wants_a_part(request),
        }
        text = _environment(language.code).get_template(template).render(context | told)
        answer = HTMLResponse(text, status, headers=_headers(request))
        if said:
            answer.delete_cookie(SAID_COOKIE, path=BASE, httponly=True, samesite="lax")
        return answer

    def _asset(self, name: str) -> str | None:
        path = self._assets.path(name)
        return f"{BASE}/{path}" if path else None


def link(path: str, **params: Any) -> str:
    """An address of the console; parameters that say nothing are left out."""
    given = {name: value for name, value in params.items() if value not in (None, "", [])}
    return f"{BASE}/{path}" + (f"?{urlencode(given, doseq=True)}" if given else "")


def _wants_a_part(request: Request) -> bool:
    """HTMX asks for a whole page, too: where a link is boosted, and on the way back to a page that it does not keep."""
    given = request.headers
    return given.get("hx-request") == "true" and not {"hx-boosted", "hx-history-restore-request"} & set(given)


def theme(request: Request) -> str:
    asked = request.cookies.get(THEME_COOKIE, "")
    return asked if asked in THEMES else THEMES[0]


SAYINGS: Final = {
    "element-registered": "The storage element is registered.",
    "element-changed": "The storage element is changed.",
    "element-deleted": "The storage element is forgotten. Its files stay where they are.",
    "mode-changed": "The mode is changed.",
    "sync-started": "The sync has begun.",
    "scrub-started": "The scrub has begun.",
    "reconcile-started": "The reconciliation has begun.",
    "file-changed": "The file is changed.",
    "file-deleted": "The file is deleted.",
    "account-changed": "The service account is changed.",
    "account-suspended": "The service account is suspended. Its tokens have ended.",
    "account-resumed": "The service account may be used again.",
    "account-deleted": "The service account is deleted.",
    "user-created": "The user is created.",
    "user-changed": "The user is changed.",
    "user-suspended": "The user is suspended. All sessions of the user have ended.",
    "user-resumed": "The user may sign in again.",
    "user-deleted": "The user is deleted.",
    "user-unlocked": "The user may sign in again.",
    "password-changed": "The password is changed.",
    "password-reset": "The password is reset. The user has to choose another one at the next sign-in.",
    "key-rotation": "A new key is published. It signs as soon as every service knows it.",
    "keys-replaced": "A new key signs, and every other one is withdrawn. Programs have to ask for new tokens.",
    "job-ordered": "The previews are wanted now.",
    "job-retried": "The preview is made once more.",
    "signed-out": "You are signed out.",
}
"""All that a redirect may have said on the page that it leads to: a cookie names one, and brings no text of its own."""


def _may(visitor: Visitor | None) -> Callable[[str], bool]:
    return lambda scope: visitor is not None and visitor.may(Scope(scope))


@cache
def _language(code: str) -> Language:
    """Read once in a process, however many apps there are: nothing of it changes."""
    return Language(code)


@cache
def _environment(code: str) -> Environment:
    language = _language(code)
    environment = Environment(
        loader=FileSystemLoader(TEMPLATES),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        extensions=["jinja2.ext.i18n"],
    )
    environment.install_gettext_translations(language.words, newstyle=True)  # type: ignore[attr-defined]
    filters: Mapping[str, Callable[..., str]] = {
        "number": language.number,
        "size": language.size,
        "moment": language.moment,
        "ago": language.ago,
        "percent": language.percent,
    }
    environment.filters.update(filters)
    environment.globals["_"] = _translator(language)
    return environment


def _translator(language: Language) -> Callable[..., str]:
    """`_` of the templates. Jinja's own would take a text of the API's for HTML, and a % in it for a format."""

    def translated(text: str, **values: Any) -> str:
        found = language.words.gettext(text) if text else text
        return Markup(found) % values if values else found

    return translated


def _headers(request: Request) -> dict[str, str]:
    """Of a page that only this visitor shall see, on which nothing runs but the console's own assets (requirement C6)."""
    host = request.headers.get("host", "")
    assets = f"{host}{BASE}/assets/" if _HOST.fullmatch(host) else "'none'"
    policy = (
        f"default-src 'none'; script-src {assets}; style-src {assets}; img-src 'self'; media-src 'self'; frame-src 'self'; "
        "connect-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
    )
    return {
        "Content-Security-Policy": policy,
        "Cache-Control": "no-store",
        "Referrer-Policy": "same-origin",
        "X-Content-Type-Options": "nosniff",
        "X-Frame-Options": "DENY",
        "Cross-Origin-Opener-Policy": "same-origin",
        "Permissions-Policy": "camera=(), microphone=(), geolocation=()",
        "Vary": "Cookie, Accept-Language, HX-Request",
    }

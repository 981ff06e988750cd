"""Somebody who looks at the console in a browser, through the gateway."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final, Literal
from urllib.parse import urlsplit

from console_heard import Heard

if TYPE_CHECKING:
    from playwright.sync_api import APIResponse, Browser, BrowserContext, Page

Look = Literal["light", "dark"]
DESK: Final = (1280, 900)
PHONE: Final = (360, 740)
"""Pixels."""
LOCALES: Final = {"en": "en-GB", "ru": "ru-RU"}
VISIT_COOKIE: Final = "artstore_visit"
PATIENCE: Final = 20_000.0
"""Milliseconds."""


@dataclass
class Visitor:
    """One window. `base`: the console's address, without a slash behind it."""

    base: str
    context: BrowserContext
    page: Page
    heard: Heard

    def open(self, path: str = "") -> int:
        """Goes there; the status of the page that it came to."""
        answer = self.page.goto(self.url(path))
        assert answer is not None
        return answer.status

    def url(self, path: str = "") -> str:
        return f"{self.base}/{path}"

    @property
    def path(self) -> str:
        """Where the window is now, below the console: what `open` takes."""
        parts = urlsplit(self.page.url)
        query = f"?{parts.query}" if parts.query else ""
        return parts.path.removeprefix(urlsplit(self.base).path).removeprefix("/") + query

    def sign_in(self, username: str, password: str) -> None:
        """Fills in the form that is shown now."""
        self.page.fill("#username", username)
        self.page.fill("#password", password)
        self.page.press("#password", "Enter")
        self.page.wait_for_load_state()

    def sign_out(self) -> None:
        self.page.click("details.menu > summary")
        self.page.click("form[action$='/sign-out'] button")
        self.page.wait_for_url("**/sign-in")

    def csrf(self) -> str:
        """The token of the forms on this page."""
        return str(self.page.locator("input[name=csrf]").first.input_value())

    def send(self, action: str, **fields: str | bool) -> None:
        """Fills in the form on this page that goes to an address with this end, sends it, and waits for what comes.

        A box is ticked by True, or by the value that it stands for.
        """
        form = self.page.locator(f"form[method=post][action$='{action}']").first
        for name, value in fields.items():
            field = form.locator(f"[name='{name}']")
            kind = field.first.evaluate("(one) => one.type")
            if kind in ("checkbox", "radio"):
                wanted = field.first if isinstance(value, bool) else form.locator(f"[name='{name}'][value='{value}']")
                wanted.set_checked(value is not False)
            elif kind.startswith("select"):
                field.first.select_option(str(value))
            else:
                field.first.fill(str(value))
        with self.page.expect_navigation():
            form.locator("button[type=submit], button:not([type])").last.click()

    def follow(self, end: str) -> None:
        """The first link to an address with this end."""
        with self.page.expect_navigation():
            self.page.locator(f"main a[href$='{end}']").first.click()

    @property
    def text(self) -> str:
        """What stands on the page now."""
        return self.page.locator("main").inner_text()

    def shows(self, words: str) -> None:
        """Waits for it."""
        self.page.locator("main").get_by_text(words).first.wait_for()

    def post(self, path: str, form: dict[str, str], **headers: str) -> APIResponse:
        """A form with this window's cookies, sent by no page: what is refused then is refused by the server."""
        return self.context.request.post(self.url(path), form=dict(form), headers=headers, max_redirects=0)

    def cookie(self) -> str | None:
        """The one that stands for the visit."""
        found = [one for one in self.context.cookies() if one.get("name") == VISIT_COOKIE]
        return found[0].get("value") if found else None

    def resize(self, size: tuple[int, int]) -> None:
        self.page.set_viewport_size({"width": size[0], "height": size[1]})

    def colours(self, look: Look) -> None:
        self.page.emulate_media(color_scheme=look)


@dataclass
class Visitors:
    """Opens windows of people who are signed in already: each signs in once, and keeps the cookie.

    `passwords`: by user name.
    """

    browser: Browser
    gateway: str
    passwords: dict[str, str]
    _cookies: dict[str, Any] = field(default_factory=dict)

    @property
    def base(self) -> str:
        return f"{self.gateway}/admin"

    @contextmanager
    def window(
        self,
        username: str | None = None,
        *,
        language: str = "en",
        look: Look = "light",
        size: tuple[int, int] = DESK,
        script: bool = True,
        gateway: str | None = None,
    ) -> Iterator[Visitor]:
        """A browser's window with cookies of its own; nobody is signed in without a `username`."""
        context = self.browser.new_context(
            viewport={"width": size[0], "height": size[1]},
            color_scheme=look,
            locale=LOCALES[language],
            java_script_enabled=script,
            reduced_motion="reduce",
            ignore_https_errors=True,
            storage_state=self._state(username) if username else None,
        )
        with context:
            context.set_default_timeout(PATIENCE)
            at = gateway or self.gateway
            heard = Heard(urlsplit(at).netloc)
            heard.listen(context)
            yield Visitor(f"{at}/admin", context, context.new_page(), heard)

    def _state(self, username: str) -> Any:
        if username not in self._cookies:
            with self.window() as visitor:
                visitor.open("sign-in")
                visitor.sign_in(username, self.passwords[username])
                assert visitor.cookie(), f"{username} could not sign in"
                self._cookies[username] = visitor.context.storage_state()
        return self._cookies[username]

"""All that a browser has to say against a page of the console while it is looked at."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final
from urllib.parse import urlsplit

if TYPE_CHECKING:
    from playwright.sync_api import BrowserContext, ConsoleMessage, Dialog, Page, Request, Response

_LISTENING: Final = """
document.addEventListener("securitypolicyviolation", (event) =>
  console.error(`policy: ${event.violatedDirective} kept out ${event.blockedURI} ${event.sample}`));
"""


@dataclass
class Heard:
    """`complaints`: errors in the browser's console, what the page's policy kept out, requests to another host, answers
    of 500 and more, dialogs. `expected`: statuses that the test asks for, 4xx."""

    host: str
    complaints: list[str] = field(default_factory=list)
    expected: set[int] = field(default_factory=set)

    def listen(self, context: BrowserContext) -> None:
        context.add_init_script(_LISTENING)
        context.on("page", self._listen_to)

    def taken(self) -> list[str]:
        """The complaints until now, once each."""
        found, self.complaints = list(dict.fromkeys(self.complaints)), []
        return found

    def _listen_to(self, page: Page) -> None:
        page.on("console", self._console)
        page.on("pageerror", lambda error: self.complaints.append(f"{page.url}: {error}"))
        page.on("dialog", self._dialog)
        page.on("request", self._request)
        page.on("response", self._response)

    def _console(self, message: ConsoleMessage) -> None:
        if message.type != "error" or any(f"status of {status} " in message.text for status in self.expected):
            return
        self.complaints.append(f"{message.location.get('url', '')}: {message.text}")

    def _dialog(self, dialog: Dialog) -> None:
        self.complaints.append(f"a dialog: {dialog.message}")
        dialog.dismiss()

    def _request(self, request: Request) -> None:
        url = urlsplit(request.url)
        if url.scheme in ("http", "https", "ws", "wss") and url.netloc != self.host:
            self.complaints.append(f"asked another host: {request.url}")

    def _response(self, response: Response) -> None:
        if response.status >= 500 and response.status not in self.expected:
            self.complaints.append(f"{response.status} {response.url}")

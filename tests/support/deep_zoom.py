"""OpenSeadragon as npm has it, on a page of another origin than the gateway's, and what the browser had to say."""

from __future__ import annotations

import base64
import io
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import pytest
from PIL import Image
from programs import program, run

if TYPE_CHECKING:
    from playwright.sync_api import Browser, ConsoleMessage, Page, Response

SOURCES: Final = Path(__file__).parent / "viewer_js"
VIEWPORT: Final = (1024, 768)
"""Pixels of the viewer, as the page's style has it."""
_PATIENCE: Final = 120_000.0
"""Milliseconds."""


class ViewerFailed(Exception):
    """As the page said it."""


def viewer_page(directory: Path) -> Path:
    """A directory to be served. Skips the test where there is no Node, or no registry to install from."""
    program("node")
    shutil.copytree(SOURCES, directory, dirs_exist_ok=True)
    quiet = ("--silent", "--fetch-timeout=15000", "--no-audit", "--no-fund", "--ignore-scripts")
    installed = run("env", "-C", directory, "npm", "ci", *quiet, seconds=120)
    if installed.returncode != 0:
        pytest.skip(f"OpenSeadragon cannot be installed: {installed.stderr[-200:].decode(errors='replace')}")
    site = directory / "site"
    site.mkdir()
    script = directory / "node_modules/openseadragon/build/openseadragon/openseadragon.min.js"
    for file in (script, directory / "index.html", directory / "page.js"):
        shutil.copy(file, site)
    return site


@dataclass
class Viewer:
    """One open page. `answered`: the urls that were answered, with their status; `complaints`: all that went wrong."""

    page: Page
    answered: dict[str, int] = field(default_factory=dict)
    complaints: list[str] = field(default_factory=list)

    def listen(self) -> None:
        self.page.on("response", self._note)
        self.page.on("requestfailed", lambda request: self.complaints.append(f"{request.url}: {request.failure}"))
        self.page.on("pageerror", lambda error: self.complaints.append(str(error)))
        self.page.on("console", self._hear)

    def show(self, url: str) -> tuple[int, int]:
        """Opens a picture by its .dzi or info.json, as a whole; width and height that the viewer found there."""
        size = self._done("show", url)
        # The drawer `canvas` stretches tiles that do not overlap by a pixel: what it shows cannot be compared.
        assert size["drawer"] == "webgl", "this Chromium has no WebGL"
        return size["width"], size["height"]

    def zoom(self, x: int, y: int) -> None:
        """One pixel of the picture for one of the screen; `x`, `y` come into the viewer's left upper corner."""
        self._done("zoom", {"x": x, "y": y})

    def shown(self) -> Image.Image:
        """What is on the canvas. Fails unless this origin may read what it shows (a canvas must not be tainted)."""
        url = self.page.evaluate("shown")
        return Image.open(io.BytesIO(base64.b64decode(url.partition(",")[2]))).convert("RGB")

    def pictures(self, urls: list[str]) -> list[int]:
        """Puts pictures beside one another; the widths that they have of their own."""
        widths: list[int] = self._done("pictures", urls)
        return widths

    def keep(self, element: str, path: Path) -> None:
        """What a person sees of it now."""
        seen = Image.open(io.BytesIO(self.page.locator(element).screenshot()))
        seen.convert("RGB").save(path, quality=85, method=6)

    def _done(self, call: str, argument: Any) -> Any:
        # A promise that is awaited in `evaluate` may hang for ever; this wait has an end.
        self.page.evaluate("([call, argument]) => begin(call, argument)", [call, argument])
        answer = self.page.wait_for_function("answer").json_value()
        if "error" in answer:
            raise ViewerFailed(answer["error"])
        return answer["found"]

    def _note(self, response: Response) -> None:
        self.answered[response.url] = response.status
        if response.status >= 400:
            self.complaints.append(f"{response.status} {response.url}")

    def _hear(self, message: ConsoleMessage) -> None:
        if message.type == "error":
            self.complaints.append(message.text)


@contextmanager
def open_viewer(browser: Browser, site: str) -> Iterator[Viewer]:
    """Of a browser that trusts the gateway's certificate, which the stack has made for itself."""
    width, height = VIEWPORT
    with browser.new_context(ignore_https_errors=True, viewport={"width": width, "height": height}) as context:
        context.set_default_timeout(_PATIENCE)
        viewer = Viewer(context.new_page())
        viewer.listen()
        viewer.page.goto(f"{site}/index.html")
        yield viewer

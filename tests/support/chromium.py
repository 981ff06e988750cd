"""A real browser: Chromium without a screen, driven by Playwright."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from playwright.sync_api import Browser

NAMES = ("chromium", "chromium-browser", "google-chrome")


@contextmanager
def running_chromium() -> Iterator[Browser]:
    """Skips the test where there is no Chromium, or no Playwright to drive it.

    Playwright keeps an event loop running in this thread as long as the browser lives, so use it in modules whose tests
    are all synchronous, and let it end with the module.
    """
    api = pytest.importorskip("playwright.sync_api", reason="Playwright is needed for tests in a browser")
    program = next(filter(None, map(shutil.which, NAMES)), None)
    if program is None:
        pytest.skip("Chromium is needed: apt install chromium")
    arguments = ["--disable-dev-shm-usage"]
    if os.geteuid() == 0:
        arguments.append("--no-sandbox")  # Chromium refuses to be root with its sandbox on
    with api.sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=program, args=arguments)
        try:
            yield browser
        finally:
            browser.close()

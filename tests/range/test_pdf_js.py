"""PDF.js in Chromium shows one page of a large document, and takes little more than that page over the network."""

from __future__ import annotations

from typing import Any

import pytest
from between import between
from pdf_js import heavy_pdf, installed_pdf_js, read_page
from world import World

pytestmark = pytest.mark.e2e
MIB = 1024 * 1024
PAGES = 20


def test_pdf_js_loads_by_ranges(world: World, chromium: Any, tmp_path_factory: pytest.TempPathFactory) -> None:
    scripts = installed_pdf_js(tmp_path_factory.mktemp("pdfjs"))
    content = heavy_pdf(PAGES, MIB)
    file = world.uploaded(content, "книга.pdf")
    with between(world.gateway) as there:
        url = f"{there.url}/api/v1/links/download?{world.link(file['file_id']).partition('?')[2]}"
        assert read_page(chromium, scripts, url, PAGES // 2) == {"pages": PAGES, "text": f"Page {PAGES // 2}"}
    # PDF.js asks for the whole first, to learn from the headers that it may ask for parts, and breaks off.
    downloads = [asked for asked in there.requests if "/links/download" in asked.target]
    assert downloads[0].range is None
    assert len(downloads) > 2
    assert all(asked.range for asked in downloads[1:])
    # It also fetches ahead while it draws, more of it on a busy machine.
    assert MIB < there.down < len(content) * 4 / 5

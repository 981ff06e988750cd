"""PDF.js as npm has it, and a page that reads one page of a document with it."""

from __future__ import annotations

import random
import subprocess
from pathlib import Path
from typing import Any, Final
from urllib.parse import urlsplit

import pytest
from programs import program

VERSION: Final = "5.4.149"
_PLACE: Final = "/page-of-the-test/"
_PAGE: Final = """<!doctype html><meta charset="utf-8"><script type="module">
import * as pdfjs from "./pdf.mjs";
pdfjs.GlobalWorkerOptions.workerSrc = new URL("./pdf.worker.mjs", import.meta.url).href;
window.read = async (url, number) => {
  const loading = pdfjs.getDocument({url, disableStream: true, disableAutoFetch: true, rangeChunkSize: 65536});
  const pdf = await loading.promise;
  const text = await (await pdf.getPage(number)).getTextContent();
  const found = {pages: pdf.numPages, text: text.items.map((item) => item.str).join("")};
  await loading.destroy();
  return found;
};
</script>"""
_TYPES: Final = {".html": "text/html", ".mjs": "text/javascript"}


def installed_pdf_js(directory: Path) -> Path:
    """The directory of its scripts. Skips the test where there is no Node, or no registry to install from."""
    done = subprocess.run(
        [program("npm"), "install", "--silent", "--no-audit", "--no-fund", "--no-save", "--omit=optional",
         "--ignore-scripts", f"pdfjs-dist@{VERSION}"],
        cwd=directory, capture_output=True, text=True, timeout=120, check=False,
    )  # fmt: skip
    if done.returncode != 0:
        pytest.skip(f"pdfjs-dist cannot be installed: {done.stderr[-200:]}")
    build = directory / "node_modules" / "pdfjs-dist" / "build"
    (build / "page.html").write_text(_PAGE)
    return build


def read_page(browser: Any, build: Path, url: str, number: int) -> dict[str, Any]:
    """Number of pages and one page's text, read by PDF.js in `browser` on a page of the same origin as `url`."""
    origin = "{0.scheme}://{0.netloc}".format(urlsplit(url))

    def serve(route: Any) -> None:
        path = build / route.request.url.rpartition("/")[2]
        route.fulfill(body=path.read_bytes(), content_type=_TYPES[path.suffix])

    context = browser.new_context()
    try:
        context.route(f"{origin}{_PLACE}*", serve)
        page = context.new_page()
        page.goto(f"{origin}{_PLACE}page.html")
        page.wait_for_function("() => window.read !== undefined")
        found: dict[str, Any] = page.evaluate("([url, number]) => window.read(url, number)", [url, number])
    finally:
        context.close()
    return found


def heavy_pdf(pages: int, page_bytes: int) -> bytes:
    """A PDF (ISO 32000-1 §7) with that many bytes of comment in each page's content, which no reader can skip."""
    noise = random.Random(0)
    objects = {1: b"<< /Type /Catalog /Pages 2 0 R >>", 3: b"<< /Type /Font /Subtype /Type1 /BaseFont /Helvetica >>"}
    kids = " ".join(f"{4 + 2 * page} 0 R" for page in range(pages))
    objects[2] = f"<< /Type /Pages /Count {pages} /Kids [{kids}] >>".encode()
    for page in range(pages):
        words = f"BT /F1 24 Tf 72 700 Td (Page {page + 1}) Tj ET".encode()
        stream = words + b"\n%" + noise.randbytes(page_bytes // 2).hex().encode() + b"\n"
        shown = "/Resources << /Font << /F1 3 0 R >> >> /MediaBox [0 0 612 792]"
        objects[4 + 2 * page] = f"<< /Type /Page /Parent 2 0 R {shown} /Contents {5 + 2 * page} 0 R >>".encode()
        objects[5 + 2 * page] = b"<< /Length %d >>\nstream\n%s\nendstream" % (len(stream), stream)
    return _file_of(objects)


def _file_of(objects: dict[int, bytes]) -> bytes:
    content, places = bytearray(b"%PDF-1.7\n"), []
    for number, body in sorted(objects.items()):
        places.append(len(content))
        content += b"%d 0 obj\n%s\nendobj\n" % (number, body)
    table = b"".join(b"%010d 00000 n \n" % place for place in places)
    start, size = len(content), len(objects) + 1
    content += b"xref\n0 %d\n0000000000 65535 f \n%s" % (size, table)
    content += b"trailer\n<< /Size %d /Root 1 0 R >>\nstartxref\n%d\n%%%%EOF\n" % (size, start)
    return bytes(content)

"""Looks over a built site: `python -m docs.tools.check_site DIRECTORY`.

Everything that a page links to or loads is there, and nothing is loaded from elsewhere: the site is read offline. Ends with code 1
and says what is wrong.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from html.parser import HTMLParser
from pathlib import Path
from urllib.parse import unquote, urlsplit

_LOADED = {("script", "src"), ("link", "href"), ("img", "src"), ("iframe", "src"), ("source", "src")}


class _Page(HTMLParser):
    """What a page refers to: (tag, attribute, address); `rel` of a link in place of the tag's name where it loads nothing."""

    def __init__(self) -> None:
        super().__init__()
        self.found: list[tuple[str, str, str]] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        values = dict(attrs)
        for name in ("href", "src"):
            if address := values.get(name):
                quiet = tag == "link" and (values.get("rel") or "") in ("canonical", "alternate", "prev", "next")
                self.found.append(("a" if quiet else tag, name, address))


def wrong(site: Path) -> Iterator[str]:
    """Each thing that is wrong, as `page: what`."""
    for page in sorted(site.rglob("*.html")):
        parser = _Page()
        parser.feed(page.read_text(encoding="utf-8"))
        for tag, attribute, address in parser.found:
            parts = urlsplit(address)
            if parts.scheme == "data":
                continue
            if parts.scheme or parts.netloc:
                if (tag, attribute) in _LOADED:
                    yield f"{page.relative_to(site)}: loads {address}"
            elif parts.path and page.name != "404.html":
                base = site if parts.path.startswith("/") else page.parent
                target = base / unquote(parts.path).lstrip("/")
                if not (target.is_file() or (target / "index.html").is_file()):
                    yield f"{page.relative_to(site)}: {address} is not there"


def main() -> int:
    site = Path(sys.argv[1])
    found = list(wrong(site))
    pages = sum(1 for _ in site.rglob("*.html"))
    sys.stdout.write("".join(f"{one}\n" for one in found) + f"{site}: {pages} pages, {len(found)} wrong\n")
    return 1 if found else 0


if __name__ == "__main__":
    raise SystemExit(main())

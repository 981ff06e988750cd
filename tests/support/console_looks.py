"""What a person would see of a page: whether all of it can be read and used, at a desk and on a phone, by day and by night."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Final

from console_axe import barriers
from console_visitor import DESK, PHONE, Visitor

_LAYOUT: Final = (Path(__file__).parent / "console_js/layout.js").read_text()
_DRAWN: Final = "() => new Promise((done) => requestAnimationFrame(() => requestAnimationFrame(done)))"
"""What follows the window's size by a script has followed then."""


def layout(visitor: Visitor) -> list[str]:
    """What is cut off, or lies upon another thing, at the width that the window has."""
    found: list[str] = visitor.page.evaluate(_LAYOUT)
    return found


def looked_at(visitor: Visitor, language: str, axe: str | None = None) -> list[str]:
    """All that is wrong with the page that the window shows; `axe`: the source, where barriers are looked for too.

    Leaves the window as it was: at a desk, by day.
    """
    found = []
    if visitor.page.locator("html").get_attribute("lang") != language:
        found.append(f"not in {language}")
    for width in (PHONE, DESK):
        visitor.resize(width)
        visitor.page.evaluate(_DRAWN)
        found += [f"{width[0]} px: {one}" for one in layout(visitor)]
    if axe is not None:
        found += barriers(visitor.page, axe)
        visitor.colours("dark")
        found += [f"dark: {one}" for one in barriers(visitor.page, axe, "color-contrast")]
        visitor.colours("light")
    return found + visitor.heard.taken()


def told(page: str, found: Sequence[str]) -> list[str]:
    return [f"{page}: {one}" for one in found]

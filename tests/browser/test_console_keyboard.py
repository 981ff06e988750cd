"""The console with nothing but a keyboard: what is in use can be seen, everything can be reached, nothing holds on."""

from __future__ import annotations

import re
from collections.abc import Iterator

import pytest
from console_people import LONG_NAME, People
from console_visitor import DESK, PHONE, Visitor, Visitors

pytestmark = pytest.mark.e2e
FOCUSED = """
() => { const one = document.activeElement, style = getComputedStyle(one), box = one.getBoundingClientRect();
  return {
    name: `${one.localName} ${one.id || one.getAttribute("href") || one.textContent.trim().slice(0, 40)}`,
    number: one === document.body ? -1 : [...document.querySelectorAll("*")].indexOf(one),
    seen: one === document.body || (style.outlineStyle !== "none" && parseFloat(style.outlineWidth) > 0 && box.width > 1 && box.height > 1),
    within: one === document.body || (box.bottom > 0 && box.top < innerHeight && box.right > 0 && box.left < innerWidth)}; }
"""
REACHABLE = """
() => [...document.querySelectorAll("a[href], button:not([disabled]), input:not([type=hidden]), select, textarea, summary")]
  .filter((one) => one.checkVisibility({checkVisibilityCSS: true})).map((one) => [...document.querySelectorAll("*")].indexOf(one))
"""
MOST = 400
"""Steps: more is a page that nobody gets through."""


@pytest.fixture
def visitor(visitors: Visitors, people: People) -> Iterator[Visitor]:
    people.file(LONG_NAME)
    with visitors.window(people.admin) as visitor:
        yield visitor


def press(visitor: Visitor, *keys: str) -> None:
    for key in keys:
        visitor.page.keyboard.press(key)


def focused(visitor: Visitor) -> str:
    return str(visitor.page.evaluate(FOCUSED)["name"])


def reach(visitor: Visitor, name: str) -> None:
    """On with Tab until that is in use."""
    for _ in range(MOST):
        press(visitor, "Tab")
        if name in focused(visitor):
            return
    raise AssertionError(f"{name} cannot be reached")


def test_in_around_and_out(visitors: Visitors, people: People) -> None:
    with visitors.window() as visitor:
        visitor.open("files")
        assert focused(visitor) == "input username"
        visitor.page.keyboard.type(people.reader)
        press(visitor, "Tab")
        visitor.page.keyboard.type(people.passwords[people.reader])
        press(visitor, "Enter")
        visitor.page.wait_for_url(visitor.url("files"))
        press(visitor, "Tab")
        assert focused(visitor) == "a #main"
        press(visitor, "Enter")
        assert focused(visitor) == "main main"
        visitor.open("files")
        reach(visitor, "summary")
        press(visitor, "Enter")
        reach(visitor, "/admin/password")
        press(visitor, "Escape")
        assert focused(visitor).startswith("summary")
        assert not visitor.page.locator(".sheet").is_visible()
        press(visitor, "Enter")
        reach(visitor, "Sign out")
        press(visitor, "Enter")
        visitor.page.wait_for_url("**/sign-in")


@pytest.mark.parametrize(
    ("path", "size"),
    [
        *((path, DESK) for path in ("", "elements", "elements/_new", "files", "accounts/new", "audit", "system")),
        *((path, PHONE) for path in ("", "files")),
    ],
)
def test_everything_is_reached_and_seen(visitor: Visitor, path: str, size: tuple[int, int]) -> None:
    visitor.resize(size)
    visitor.open(path)
    wanted, passed, unseen = set(visitor.page.evaluate(REACHABLE)), set(), {}
    for _ in range(MOST):
        press(visitor, "Tab")
        found = visitor.page.evaluate(FOCUSED)
        if found["number"] < 0:
            continue  # the browser's own things come after the page's, and then the page once more
        if not (found["seen"] and found["within"]) and found["number"] not in passed:
            unseen[found["number"]] = found["name"]
        passed.add(found["number"])
        if wanted <= passed:
            break
    assert wanted - passed == set()
    assert unseen == {}
    assert visitor.heard.taken() == []


def test_a_file_is_found_and_described(visitor: Visitor, people: People) -> None:
    visitor.open("")
    reach(visitor, "input find")
    visitor.page.keyboard.type("реконструкцию")
    press(visitor, "Enter")
    visitor.page.wait_for_url(re.compile(r"/files\?"))
    reach(visitor, people.file(LONG_NAME)["file_id"])
    press(visitor, "Enter")
    visitor.page.wait_for_url("**/files/*")
    assert LONG_NAME in visitor.page.locator("h1").inner_text()

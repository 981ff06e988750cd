"""Every page of the console, as it is found by following its links, and every form on them."""

from __future__ import annotations

import re
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, Final
from urllib.parse import urlsplit

from console_visitor import Visitor

MAX_PAGES: Final = 120
"""Kinds of pages. The console has about forty: more would be a kind that `kind` does not know."""
_IDS: Final = (
    r"[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}|se-[a-z]+-\d+|sa_\w+|\d+"
    r"|[A-Za-z0-9_-]{24,}"
)
_ID: Final = re.compile(rf"(?<=/)(?:{_IDS})(?=/|$)")
_FOUND: Final = """
() => ({
  links: [...document.querySelectorAll("a[href]:not([download])")].map((one) => one.href),
  forms: [...document.querySelectorAll("form[method=post]")].map((one) => ({
    action: one.action, fields: Object.fromEntries([...new FormData(one)].filter(([, value]) => typeof value === "string")),
    required: [...one.querySelectorAll("[required]")].map((field) => field.name)})),
})
"""
_NO_PAGES: Final = (".csv", ".json", ".jsonl", "/download")
_QUESTION: Final = re.compile(r"[?&]to=")
"""A page that asks before it does something, at the address of the page that explains it."""
_EVERYBODYS: Final = ("sign-out", "preferences", "password", "sign-in")


@dataclass(frozen=True, slots=True)
class Sent:
    """A form: where it goes, and what it sends when nothing is typed into it."""

    path: str
    fields: dict[str, str]
    required: tuple[str, ...]


@dataclass
class Walk:
    """`pages`: a path for each kind of page. `forms`: what changes something, by the kind of its address."""

    pages: dict[str, str] = field(default_factory=dict)
    forms: dict[str, Sent] = field(default_factory=dict)


def kind(path: str) -> str:
    """Of a page: its path, with `*` for whatever names one thing of many."""
    question = "?to" if _QUESTION.search(path) else ""
    return _ID.sub("*", "/" + path.partition("?")[0]).removeprefix("/") + question


def walked(visitor: Visitor, see: Callable[[str], None] = lambda _: None) -> Walk:
    """From the overview on. `see` is called with the path of each page while the window shows it."""
    walk, waiting = Walk({"": ""}), deque([""])
    while waiting:
        path = waiting.popleft()
        status = visitor.open(path)
        assert status == 200, f"{path} answers {status}"
        found: dict[str, Any] = visitor.page.evaluate(_FOUND)
        see(path)
        for link in found["links"]:
            below = _below(visitor, link)
            if below is not None and kind(below) not in walk.pages:
                walk.pages[kind(below)] = below
                waiting.append(below)
        for form in found["forms"]:
            below = _below(visitor, form["action"])
            if below is not None and kind(below) not in _EVERYBODYS:
                walk.forms.setdefault(kind(below), Sent(below, form["fields"], tuple(form["required"])))
        assert len(walk.pages) <= MAX_PAGES, sorted(walk.pages)
    return walk


def _below(visitor: Visitor, url: str) -> str | None:
    """The path below the console, with its query; None for what is no page of it."""
    parts, base = urlsplit(url), urlsplit(visitor.base)
    if parts.netloc != base.netloc or not parts.path.startswith(f"{base.path}/"):
        return None
    path = parts.path.removeprefix(f"{base.path}/")
    if path.startswith("assets/") or parts.path.endswith(_NO_PAGES):
        return None
    return path + (f"?{parts.query}" if parts.query else "")

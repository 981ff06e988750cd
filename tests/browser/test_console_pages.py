"""Every page of the console as its people see it: found by its links, in both languages, by day and by night, at a desk
and on a phone, with nothing cut off and nothing that bars anybody (requirements C1 to C6)."""

from __future__ import annotations

import gzip
import os
import re
from typing import Any

import pytest
from console_axe import axe_source
from console_looks import looked_at, told
from console_people import LONG_NAME, UNBROKEN, People
from console_visitor import Visitor, Visitors
from console_walk import Sent, Walk, walked

pytestmark = pytest.mark.e2e
KINDS = {
    "", "elements", "elements/*", "files", "files/*", "accounts", "accounts/*", "users", "users/*", "keys", "audit",
    "render-jobs", "system", "password",
}  # fmt: skip
"""What everybody is shown the way to; an admin to more."""
WHOLE = "ARTSTORE_CONSOLE_WHOLE" in os.environ
"""`make console-pages`: every role in every language, with every look for barriers, which takes a minute more."""
MAX_SCRIPT = 100 * 1024
"""Bytes, as they travel."""


@pytest.fixture(scope="module")
def axe(tmp_path_factory: pytest.TempPathFactory) -> str:
    return axe_source(tmp_path_factory.mktemp("axe"))


@pytest.fixture(scope="module")
def filled(people: People) -> People:
    """Long names of both kinds: with places to break, and without."""
    people.file(LONG_NAME, description="Описание. " * 60, tags=f'["контракты", "{UNBROKEN[:100]}"]')
    people.account(UNBROKEN[:90])
    people.user(UNBROKEN[:100])
    return people


@pytest.fixture(scope="module")
def walk(visitors: Visitors, filled: People) -> Walk:
    """As an admin finds it."""
    with visitors.window(filled.admin) as visitor:
        return walked(visitor)


@pytest.mark.parametrize(
    ("role", "language"), [("admin", "en"), ("admin", "ru"), ("reader", "ru"), *([("reader", "en")] if WHOLE else [])]
)
def test_every_page(visitors: Visitors, filled: People, axe: str, role: str, language: str) -> None:
    complaints: list[str] = []
    # An admin's pages in Russian differ by the words alone, and those are looked at by who may only look.
    source = None if (role, language) == ("admin", "ru") and not WHOLE else axe
    username = filled.admin if role == "admin" else filled.reader
    with visitors.window(username, language=language) as visitor:
        walk = walked(visitor, lambda path: complaints.extend(told(path, looked_at(visitor, language, source))))
    assert sorted(KINDS - walk.pages.keys()) == []
    assert not complaints, "\n".join(complaints)


def test_a_reader_is_offered_nothing_and_let_do_nothing(visitors: Visitors, filled: People, walk: Walk) -> None:
    """By the API's own answer: the form is sent with a token that counts."""
    before, done = filled.everything(), []
    with visitors.window(filled.reader) as visitor:
        assert walked(visitor).forms == {}
        visitor.open("password")
        token = visitor.csrf()
        for sent in walk.forms.values():
            answer = visitor.post(sent.path, _filled_in(sent) | {"csrf": token})
            if answer.status != 403:
                done.append((sent.path, answer.status))
    assert done == []
    assert changed(before, filled.everything()) == []


def test_no_form_counts_without_its_token(visitors: Visitors, filled: People, walk: Walk) -> None:
    before, done = filled.everything(), []
    with visitors.window(filled.admin) as visitor:
        for sent in walk.forms.values():
            fields = {name: value for name, value in _filled_in(sent).items() if name != "csrf"}
            for given in (fields, fields | {"csrf": "0" * 64}):
                done += [sent.path] * (visitor.post(sent.path, given).status != 403)
    assert len(walk.forms) > 10, sorted(walk.forms)
    assert done == []
    assert changed(before, filled.everything()) == []


def test_every_page_reads_well_without_scripts(visitors: Visitors, filled: People, walk: Walk) -> None:
    with visitors.window(filled.admin, script=False) as visitor:
        for kind, path in walk.pages.items():
            assert visitor.open(path) == 200, path
            assert visitor.page.locator("h1").inner_text().strip(), path
            assert visitor.page.locator("main").inner_text().strip(), kind
        assert visitor.heard.taken() == []


def test_scripts_weigh_little(visitors: Visitors, filled: People) -> None:
    """The head of every page names the same."""
    with visitors.window(filled.admin) as visitor:
        visitor.open("files/upload")
        urls = visitor.page.locator("script").evaluate_all("(all) => all.map((one) => one.src)")
        assert "" not in urls, "a script in the page itself"
        weights = {url: _weight(visitor, url) for url in urls}
    assert sum(weights.values()) < MAX_SCRIPT, weights


def changed(before: dict[str, Any], after: dict[str, Any]) -> list[str]:
    return [f"{path}: {before[path]} -> {after[path]}" for path in before if before[path] != after[path]]


def _weight(visitor: Visitor, url: str) -> int:
    answer = visitor.context.request.get(url, headers={"Accept-Encoding": "gzip"})
    assert answer.headers["content-encoding"] == "gzip"
    return len(gzip.compress(answer.body(), 9, mtime=0))


def _filled_in(sent: Sent) -> dict[str, str]:
    """Something in every field that must have something, and something new where nothing new would be no change."""
    told = {"description": "other words"} if "description" in sent.fields else {}
    return sent.fields | told | {name: sent.fields.get(name) or "1" for name in sent.required}


def test_day_and_night_as_the_system_has_it_and_as_one_chose(visitors: Visitors) -> None:
    colours = """() => { const style = getComputedStyle(document.documentElement);
        return [...document.styleSheets].flatMap((sheet) => [...sheet.cssRules]).filter((rule) => rule.selectorText === ":root")
          .flatMap((rule) => [...rule.style]).filter((name) => name.startsWith("--")).map((name) => name + style.getPropertyValue(name)); }"""
    with visitors.window(look="dark") as visitor:
        visitor.open("sign-in")
        by_system = visitor.page.evaluate(colours)
        with visitor.page.expect_navigation():
            visitor.page.get_by_role("button", name="Dark").click()
        visitor.colours("light")
        assert visitor.page.evaluate(colours) == by_system
        with visitor.page.expect_navigation():
            visitor.page.get_by_role("button", name=re.compile("^Light")).click()
        visitor.colours("dark")
        assert visitor.page.evaluate(colours) != by_system

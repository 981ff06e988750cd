"""Names, tags and words of strangers that would be something else than text, on every page that shows them."""

from __future__ import annotations

import json
import secrets
from collections.abc import Iterator
from typing import Any
from urllib.parse import quote

import pytest
from console_payloads import PAYLOADS, as_name, as_word
from console_people import People
from console_visitor import Visitor, Visitors

pytestmark = pytest.mark.e2e
ELEMENT = "storage-elements/se-edit-1"
INJECTED = """
() => [...document.querySelectorAll("*")].filter((one) =>
  [...one.attributes].some(({name}) => /^(on|hx-on)/.test(name)) || one.matches("base, math, marquee, meta[http-equiv], [srcdoc]")
  || (one.localName === "script" && !new URL(one.src || "none:").pathname.startsWith("/admin/assets/"))
  || /^\\s*(javascript|data|vbscript):/i.test(one.getAttribute("href") || one.getAttribute("action") || ""))
  .map((one) => one.outerHTML.slice(0, 200))
"""
MARK = f"payload{secrets.token_hex(4)}"
"""A word that finds these files and no others."""


@pytest.fixture
def visitor(visitors: Visitors, people: People) -> Iterator[Visitor]:
    with visitors.window(people.admin) as visitor:
        visitor.heard.expected |= {400, 404, 422}
        yield visitor


def look(visitor: Visitor, path: str, *texts: str) -> list[str]:
    """What is wrong with that page, which has to show `texts` as they are."""
    visitor.open(path)
    shown = visitor.page.evaluate(
        "document.body.textContent + ' ' + [...document.querySelectorAll('input, textarea')].map((one) => one.value).join(' ')"
    )
    missing = [f"does not show {text!r}" for text in texts if _one_line(text) not in _one_line(shown)]
    return [f"{path}: {one}" for one in missing + visitor.page.evaluate(INJECTED) + visitor.heard.taken()]


def _one_line(text: str) -> str:
    return " ".join(text.split())


def test_files(visitor: Visitor, people: People) -> None:
    """As name, tag, description, metadata; in the list, on pages of their own, and where words that were found are marked."""
    files = [_uploaded(people, number, payload) for number, payload in enumerate(PAYLOADS)]
    found = people.world.search(query=MARK, mode="fulltext", limit=100).json()
    assert len(found["items"]) == len(PAYLOADS)
    wrong = look(visitor, "files?query=" + MARK, *map(as_name, PAYLOADS))
    for file, payload in list(zip(files, PAYLOADS, strict=True))[::3]:
        wrong += look(visitor, f"files/{file['file_id']}", file["original_filename"], as_name(payload))
    for page in ("edit", "delete"):
        wrong += look(visitor, f"files/{files[0]['file_id']}/{page}", files[0]["original_filename"])
    assert wrong == []


def _uploaded(people: People, number: int, payload: str) -> dict[str, Any]:
    text = as_name(payload)
    return people.world.uploaded(
        f"{number} {payload}".encode(),
        f"{text}.txt",
        description=f"{MARK} {text}",
        tags=json.dumps([text[:100]]),
        metadata=json.dumps({"key": text}),
    )


def test_accounts(visitor: Visitor, people: People) -> None:
    accounts = [people.account(as_name(payload)) for payload in PAYLOADS]
    try:
        wrong = look(visitor, "accounts", *(account["name"] for account in accounts))
        for account in accounts[::5]:
            wrong += look(visitor, f"accounts/{account['id']}", account["name"])
        for page in ("edit", "rotate", "suspend", "delete"):
            wrong += look(visitor, f"accounts/{accounts[4]['id']}/{page}", accounts[4]["name"])
        wrong += look(visitor, "audit") + look(visitor, "")
    finally:
        for account in accounts:
            people.deleted(f"service-accounts/{account['id']}")
    assert wrong == []


def test_users(visitors: Visitors, people: People) -> None:
    """One of them looks at the pages: the name stands in the head of each."""
    users = [people.user(as_word(PAYLOADS[number])) for number in (0, 2, 4, 19, 30)]
    try:
        with visitors.window(users[2]["username"]) as visitor:
            wrong = look(visitor, "users", *(user["username"] for user in users))
            for user in users:
                wrong += look(visitor, f"users/{user['id']}", user["username"])
            wrong += look(visitor, "audit", users[2]["username"])
    finally:
        for user in users:
            people.deleted(f"admin-users/{user['id']}")
    assert wrong == []


def test_an_elements_description(visitor: Visitor, people: People) -> None:
    was, wrong, part = people.got(ELEMENT)["description"], [], ""
    try:
        for payload in [*PAYLOADS, "x" * 1000]:
            if len(part) + len(payload) < 900:
                part += f" {as_name(payload)}"
                continue
            people.changed(ELEMENT, {"description": part})
            for page in ("elements", "elements/se-edit-1", "elements/se-edit-1/edit"):
                wrong += look(visitor, page, *([part] if page != "elements" else []))
            part = as_name(payload)
    finally:
        people.changed(ELEMENT, {"description": was})
    assert wrong == []


def test_what_is_asked_for(visitor: Visitor) -> None:
    """In the address, and in the forms that come back with what was typed."""
    wrong: list[str] = []
    pages = ("files?query=", "files?tag=", "elements?mode=", "audit?event=", "accounts?kind=", "render-jobs?state=", "")
    for number, payload in enumerate(PAYLOADS):
        wrong += look(visitor, pages[number % len(pages)] + quote(payload, safe=""))
    for payload in PAYLOADS[::4]:
        wrong += look(visitor, f"files?query={quote(payload, safe='')}")
    assert wrong == []


def test_the_sign_in_form(visitors: Visitors) -> None:
    with visitors.window() as stranger:
        stranger.heard.expected |= {400, 401, 429}
        for payload in PAYLOADS[:8]:
            stranger.page.goto(f"{stranger.url('sign-in')}?next={quote(payload, safe='')}")
            stranger.sign_in(as_word(payload), as_word(payload))
            assert stranger.page.evaluate(INJECTED) == []
            assert stranger.page.input_value("#username") == as_word(payload)
        assert stranger.heard.taken() == []

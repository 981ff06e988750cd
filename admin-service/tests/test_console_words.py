"""Every word of the console is there in both languages."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import admin_service
import artstore_auth
import artstore_core
import query_service
import render_service
import storage_element
from admin_service.console.language import Language
from admin_service.console.pages import SAYINGS, SECTIONS, TEMPLATES
from artstore_core.errors import BY_CODE
from babel.messages.extract import extract_from_dir

_METHODS = [("**.html", "jinja2.ext:babel_extract")]
REFUSALS = frozenset(
    {kind.__name__ for kind in BY_CODE.values()} | {"ElementUnreachable", "ElementAnswersWrongly", "ValueError"}
)
HEARD = (
    (admin_service, ("console", "http", "identity", "registry", "clients/gate.py", "db")),
    (artstore_auth, ("challenge.py", "verify.py")),
    (artstore_core, ("files.py",)),
    (query_service, ("db", "search")),
    (render_service, ("db", "clients/s3.py", "http/jobs.py")),
    (storage_element, ("disk/committed.py", "store/capacity.py", "store/keeper.py")),
)
"""Where refusals come from that a page may have to show: what the console asks, and what admin hands on of an element."""
NOBODY_READS = frozenset(
    {
        "Only people have passwords",
        "Only services report",
        "The refresh token counts no more",
        "This file is registered on another storage element",
        "is not registered",
    }
)
"""Answers to programs alone."""


def words() -> set[tuple[str, str]]:
    """Each with its plural, or with itself where it has none."""
    found = {(word, word) for word in (*SAYINGS.values(), *(section.title for section in SECTIONS))}
    options = {"**.html": {"trimmed": "true", "newstyle_gettext": "true"}}
    for _file, _line, message, _comments, _context in extract_from_dir(TEMPLATES, _METHODS, options):
        found.add((message, message) if isinstance(message, str) else (message[0], message[1]))
    return found


def refusals() -> set[str]:
    """Messages, and reasons at fields, as they stand in the code; those with names in them are not seen."""
    found: set[str] = set()
    for package, places in HEARD:
        root = Path(next(iter(package.__path__)))
        for place in places:
            path = root / place
            for source in path.rglob("*.py") if path.is_dir() else [path]:
                found |= set(_messages(ast.parse(source.read_text(encoding="utf-8"))))
    return found - NOBODY_READS


def _messages(tree: ast.AST) -> Iterator[str]:
    for call in ast.walk(tree):
        if isinstance(call, ast.Call) and isinstance(call.func, ast.Name) and call.func.id in REFUSALS:
            details = [one.value for one in call.keywords if one.arg == "details"]
            reasons = [value for one in details if isinstance(one, ast.Dict) for value in one.values]
            for text in (*call.args[:1], *reasons):
                if isinstance(text, ast.Constant) and isinstance(text.value, str):
                    yield text.value


def test_nothing_is_left_in_english() -> None:
    russian = Language("ru").words

    def translated(one: str, more: str) -> str:
        return russian.gettext(one) if one == more else russian.ngettext(one, more, 1)

    assert sorted(one for one, more in words() if translated(one, more) == one) == []
    assert len(words()) > 50


def test_no_refusal_is_left_in_english() -> None:
    """Least of all those of a bad night: the database is away, an element is full, a file is damaged."""
    russian = Language("ru").words
    assert sorted(message for message in refusals() if russian.gettext(message) == message) == []
    assert len(refusals()) > 60

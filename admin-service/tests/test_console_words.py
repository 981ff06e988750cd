"""Every word of the console is there in both languages."""

from __future__ import annotations

from admin_service.console.language import Language
from admin_service.console.pages import SAYINGS, SECTIONS, TEMPLATES
from babel.messages.extract import extract_from_dir

_METHODS = [("**.html", "jinja2.ext:babel_extract")]


def words() -> set[tuple[str, str]]:
    """Each with its plural, or with itself where it has none."""
    found = {(word, word) for word in (*SAYINGS.values(), *(section.title for section in SECTIONS))}
    options = {"**.html": {"trimmed": "true", "newstyle_gettext": "true"}}
    for _file, _line, message, _comments, _context in extract_from_dir(TEMPLATES, _METHODS, options):
        found.add((message, message) if isinstance(message, str) else (message[0], message[1]))
    return found


def test_nothing_is_left_in_english() -> None:
    russian = Language("ru").words

    def translated(one: str, more: str) -> str:
        return russian.gettext(one) if one == more else russian.ngettext(one, more, 1)

    assert sorted(one for one, more in words() if translated(one, more) == one) == []
    assert len(words()) > 50

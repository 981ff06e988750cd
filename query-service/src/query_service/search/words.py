"""The words of a query and the marks in an answer.

Names are written with separators that PostgreSQL's parser takes for parts of a word (`Годовой_отчёт-2025.final.pdf` is
one token to it). Index and query both see them as spaces.
"""

from __future__ import annotations

import html
import re
import unicodedata
from dataclasses import dataclass
from typing import Final

SEPARATORS: Final = "._-/\\@:,;+=()[]{}<>|#&!?*\"'`~^%$…—–«»№“”„•·\x02\x03\t\r\n"
"""Of a query, as spaces. The index needs fewer (`artstore_search_plain`): its parser knows most of them for what they are."""

START, STOP = "\x02", "\x03"
"""Marks around a found word, as PostgreSQL is told to set them. Taken out of the text first."""

_OPERATORS: Final = frozenset('"-')  # of websearch_to_tsquery
_LIKE_OPERATORS: Final = "\xad˗\u2010\u2011\u2012\u2015\u2212︱︲﹘﹣－ʺ‟″〝〞＂"
"""Hyphens and quotes that PostgreSQL folds to `-` and `"`: as such they would rule over words that they only stand in."""
_SPLIT: Final = str.maketrans({char: " " for char in SEPARATORS + _LIKE_OPERATORS if char not in _OPERATORS})
_HYPHEN_WITHIN: Final = re.compile(r"(?<=[^\s\"-])-+|-+(?=[\s-]|$)")
_TOKEN: Final = re.compile(r'-?"[^"]*"?|\S+')
_INDEXABLE: Final = re.compile(r"[^\W_]{3}")
_MIN_BEGINNING: Final = 3
_MIN_MISTYPED: Final = 5
_MAX_MISTYPED: Final = 14
ANY_LETTER: Final = "\x02"
MAX_PARTS: Final = 20
MAX_WORDS: Final = 50
"""Each costs a look into the index."""

_CONTEXT: Final = 60
_MAX_PIECES: Final = 3


def web_query(query: str) -> str:
    """The query with its words apart, and the operators of a web search (`"…"`, `or`, a leading `-`) kept."""
    return _HYPHEN_WITHIN.sub(" ", query.translate(_SPLIT))


def parts(query: str) -> list[str]:
    """The words that `partial` looks for."""
    return query.split()


def words(query: str) -> list[str]:
    """The words and phrases of a web search, each with its operators."""
    return _TOKEN.findall(web_query(query))


def only_excludes(query: str) -> bool:
    """Whether one of the things that may be there instead of another is only said not to be: all files but some."""
    groups: list[list[str]] = [[]]
    for word in words(query):
        if word.lower() == "or":
            groups.append([])
        else:
            groups[-1].append(word)
    return any(group and all(word.startswith("-") for word in group) for group in groups)


def wanted(query: str) -> str:
    """The query without what it excludes."""
    return " ".join(word for word in words(query) if not word.startswith("-"))


def mistyped(part: str) -> list[str]:
    """What may have been meant: two letters in the wrong order, or ANY_LETTER instead of one. Nothing for what is no word."""
    if not part.isalnum() or not _MIN_MISTYPED <= len(part) <= _MAX_MISTYPED:
        return []
    pairs = ((part[:at], part[at], part[at + 1], part[at + 2 :]) for at in range(len(part) - 1))
    swapped = [f"{before}{second}{first}{after}" for before, first, second, after in pairs if first != second]
    return swapped + [f"{part[:at]}{ANY_LETTER}{part[at + 1 :]}" for at in range(1, len(part))]


def indexable(part: str) -> bool:
    """Whether an index of trigrams can look for it anywhere in a word."""
    return _INDEXABLE.search(part) is not None


def searchable(part: str) -> bool:
    """Whether it has a letter or digit, without which it is in no index. Those that only modify a letter fold to quotes."""
    return any(char.isalnum() and unicodedata.category(char) != "Lm" for char in part)


def beginning(query: str) -> tuple[str, str] | None:
    """The query less its last word, and that word, where it may be one that is still being typed."""
    found = words(query)
    if not found or not found[-1].isalnum() or len(found[-1]) < _MIN_BEGINNING or query.count('"') % 2:
        return None
    rest = found[:-1]
    return (" ".join(rest), found[-1]) if not rest or rest[-1].lower() != "or" else None


@dataclass(frozen=True, slots=True)
class Marked:
    """A text and the places found in it."""

    text: str
    spans: tuple[tuple[int, int], ...]

    @classmethod
    def of(cls, text: str, marked: str | None) -> Marked:
        """`marked` is `text` split as `SEPARATORS` say, with START and STOP around what was found."""
        if marked is None:
            return cls(text, ())
        spans: list[tuple[int, int]] = []
        at, begin = 0, 0
        for char in marked:
            if char == START:
                begin = at
            elif char == STOP:
                spans.append((begin, at))
            else:
                at += 1
        # Lengths differ only if PostgreSQL changed more than it was told to; better no marks than wrong ones.
        return cls(text, tuple(spans) if at == len(text) else ())

    def whole(self) -> list[str]:
        """All of the text as one piece; nothing when nothing was found in it."""
        return [self._html(0, len(self.text), self.spans)] if self.spans else []

    def pieces(self) -> list[str]:
        """The surroundings of the first places found."""
        found: list[str] = []
        done = 0
        for begin, _ in self.spans:
            if begin < done:
                continue
            start, stop = max(done, begin - _CONTEXT), min(len(self.text), begin + 2 * _CONTEXT)
            found.append(self._html(start, stop, [span for span in self.spans if start <= span[0] < stop]))
            done = stop
            if len(found) == _MAX_PIECES:
                break
        return found

    def _html(self, start: int, stop: int, spans: tuple[tuple[int, int], ...] | list[tuple[int, int]]) -> str:
        made: list[str] = []
        at = start
        for begin, end in spans:
            end = min(end, stop)
            made += [html.escape(self.text[at:begin]), "<mark>", html.escape(self.text[begin:end]), "</mark>"]
            at = end
        return "".join(made) + html.escape(self.text[at:stop])

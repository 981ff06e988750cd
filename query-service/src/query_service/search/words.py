"""The words of a query and the marks in an answer.

Names are written with separators that PostgreSQL's parser takes for parts of a word (`Годовой_отчёт-2025.final.pdf` is
one token to it). Index and query both see them as spaces.
"""

from __future__ import annotations

import html
import re
from dataclasses import dataclass
from typing import Final

SEPARATORS: Final = "._-/\\@:,;+=()[]{}<>|#&!?*\"'`~^%$…—–«»№“”„•·\x02\x03\t\r\n"
"""What the migrations' `artstore_search_split` turns into spaces, one for one."""

START, STOP = "\x02", "\x03"
"""Marks around a found word, as PostgreSQL is told to set them. Splitting takes them out of the text first."""

_OPERATORS: Final = frozenset('"-')  # of websearch_to_tsquery
_SPLIT: Final = str.maketrans({char: " " for char in SEPARATORS if char not in _OPERATORS})
_HYPHEN_WITHIN: Final = re.compile(r"(?<=[^\s\"-])-+|-+(?=[\s\"-]|$)")
MAX_PARTS: Final = 20
"""Each costs a look into the index."""

_CONTEXT: Final = 60
_MAX_PIECES: Final = 3


def web_query(query: str) -> str:
    """The query with its words apart, and the operators of a web search (`"…"`, `or`, a leading `-`) kept."""
    return _HYPHEN_WITHIN.sub(" ", query.translate(_SPLIT))


def parts(query: str) -> list[str]:
    """The words that `partial` looks for."""
    return query.split()


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

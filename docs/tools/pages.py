"""What can be read off a Markdown page without rendering it: links, headings and their anchors, tables."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).parents[2]

_FENCE = re.compile(r"^\s*(```+|~~~+)")
_HEADING = re.compile(r"^(#{1,6})\s+(.*?)\s*#*\s*$")
_LINK = re.compile(r"(!?\[(?:[^\[\]]|\[[^\[\]]*\](?:\([^()]*\))?)*\])\(([^()\s]+)((?:\s+\"[^\"]*\")?)\)")
_CODE = re.compile(r"(`+)(?:.|\n)*?\1")
_EXTERNAL = re.compile(r"^(?:[a-z][a-z0-9+.-]*:|//)", re.IGNORECASE)


def russian(page: Path) -> Path:
    """The Russian page beside an English one: `x.md` → `x.ru.md`."""
    return page.with_name(f"{page.stem}.ru.md")


def is_russian(page: Path) -> bool:
    return page.name.endswith(".ru.md")


def english(page: Path) -> Path:
    """The English page beside a Russian one; an English one is its own."""
    return page.with_name(page.name.removesuffix(".ru.md") + ".md") if is_russian(page) else page


def prose(text: str) -> Iterator[tuple[int, str, bool]]:
    """Each line with its number from 1, and whether it is outside of fenced code."""
    fence = ""
    for number, line in enumerate(text.splitlines(), 1):
        found = _FENCE.match(line)
        if found and (not fence or found[1].startswith(fence)):
            yield number, line, False
            fence = "" if fence else found[1]
        else:
            yield number, line, not fence


@dataclass(frozen=True, slots=True)
class Link:
    """A link to a place in this repository: `[label](target)`, target as it is written there."""

    line: int
    label: str
    target: str

    @property
    def path(self) -> str:
        return self.target.partition("#")[0]

    @property
    def anchor(self) -> str:
        return self.target.partition("#")[2]


def _without_code(line: str) -> str:
    """Code spans made blank, so that what only looks like a link in them is none; positions stay."""
    return _CODE.sub(lambda found: " " * len(found[0]) if "](" in found[0] else found[0], line)


def links(text: str) -> Iterator[Link]:
    """Every link of a page that leads somewhere within the repository."""
    for number, line, plain in prose(text):
        if plain:
            for found in _LINK.finditer(_without_code(line)):
                if not _EXTERNAL.match(found[2]):
                    yield Link(number, found[1], found[2])
                for inner in _LINK.finditer(found[1][1:-1]):  # a picture that is a link
                    if not _EXTERNAL.match(inner[2]):
                        yield Link(number, inner[1], inner[2])


def relinked(text: str, change: Callable[[Link], str]) -> str:
    """The page with each of those links replaced by what `change` makes of it."""

    def lines() -> Iterator[str]:
        for number, line, plain in prose(text):
            if not plain:
                yield line
                continue
            made, behind = [], 0
            for found in _LINK.finditer(_without_code(line)):
                if _EXTERNAL.match(found[2]):
                    continue
                link = Link(number, line[found.start(1) : found.end(1)], found[2])
                made += [line[behind : found.start()], change(link)]
                behind = found.end()
            yield "".join(made) + line[behind:]

    return "\n".join(lines()) + "\n"


def slug(heading: str) -> str:
    """The anchor of a heading, as GitHub and pymdownx.slugs make it: letters of any alphabet stay."""
    bare = re.sub(r"!?\[([^\]]*)\]\([^)]*\)", r"\1", heading).replace("`", "")
    bare = re.sub(r"[*]", "", bare).strip().lower()
    return re.sub(r"[^\w\- ]", "", bare).replace(" ", "-")


def anchors(text: str) -> set[str]:
    """All anchors of a page; a heading that comes again has a number."""
    found: set[str] = set()
    for _, line, plain in prose(text):
        heading = _HEADING.match(line) if plain else None
        if heading:
            name, number = slug(heading[2]), 0
            while (name if not number else f"{name}-{number}") in found:
                number += 1
            found.add(name if not number else f"{name}-{number}")
    return found


def tables(text: str) -> Iterator[list[list[str]]]:
    """Every table of a page: rows of cells, the head first, the line of dashes left out."""
    rows: list[list[str]] = []
    for _, line, plain in prose(text):
        if plain and line.startswith("|"):
            cells = [cell.strip() for cell in re.split(r"(?<!\\)\|", line.strip().strip("|"))]
            if not all(re.fullmatch(r":?-+:?", cell) for cell in cells):
                rows.append(cells)
        elif rows:
            yield rows
            rows = []
    if rows:
        yield rows

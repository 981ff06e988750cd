"""`values.yaml` as a table: a row for each key with a comment of its own."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import yaml

_KEY = re.compile(r"^(?P<indent> *)(?P<name>[A-Za-z][\w.-]*):(?P<rest>.*)$")


@dataclass(frozen=True, slots=True)
class Row:
    """`key` with dots, what it is when nobody says otherwise (None: its keys have rows of their own), what it is for."""

    key: str
    default: Any
    words: str


def values_table(text: str) -> str:
    """A table in Markdown."""
    lines = ["| value | default | what it is |", "|---|---|---|"]
    lines += [
        f"| `{row.key}` | {_shown(row.default)} | {row.words.replace('|', chr(92) + '|')} |" for row in rows(text)
    ]
    return "\n".join(lines) + "\n"


def rows(text: str) -> Iterator[Row]:
    """The rows in the file's order. A map whose comment says all about its keys is one row: its keys have none."""
    values = yaml.safe_load(text)
    commented = list(_commented(text))
    for key, words in commented:
        found = values
        for name in key:
            found = found[name]
        heads = any(len(other) > len(key) and other[: len(key)] == key for other, _ in commented)
        yield Row(".".join(key), None if heads else found, words)


def _commented(text: str) -> Iterator[tuple[tuple[str, ...], str]]:
    """Each key that a comment stands right above of, and the comment."""
    path: list[tuple[int, str]] = []
    words: list[str] = []
    for line in text.splitlines():
        stripped = line.strip()
        if stripped.startswith("# "):
            words.append(stripped[2:])
            continue
        if (match := _KEY.match(line)) is not None:
            indent = len(match["indent"])
            path = [(depth, name) for depth, name in path if depth < indent] + [(indent, match["name"])]
            if words:
                yield tuple(name for _, name in path), " ".join(words)
        words = []


def undescribed(text: str) -> list[str]:
    """Plain values of which neither their own comment nor one of their parents' says anything."""
    known = {key for key, _ in _commented(text)}

    def walk(value: Any, key: tuple[str, ...]) -> Iterator[str]:
        if key in known and not any(len(other) > len(key) and other[: len(key)] == key for other in known):
            return
        if isinstance(value, dict) and value:
            for name, child in value.items():
                yield from walk(child, (*key, name))
        elif key not in known:
            yield ".".join(key)

    return list(walk(yaml.safe_load(text), ()))


def _shown(value: Any) -> str:
    return "" if value is None else f"`{json.dumps(value, ensure_ascii=False)}`".replace("|", "\\|")

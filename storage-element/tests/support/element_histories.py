"""What may be seen after a crash: of each file one of its versions, none older than what was acknowledged."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True, slots=True)
class Attempted:
    """Somebody asked for this version of `subject`: from now on it may be there."""

    subject: str
    version: int


@dataclass(frozen=True, slots=True)
class Acknowledged:
    """Somebody was told that it is kept: from now on no older one may be."""

    subject: str
    version: int


@dataclass
class Histories:
    """The versions of every subject, oldest first, in the form in which they are seen."""

    versions: dict[str, list[Any]] = field(default_factory=dict)

    def begin(self, subject: str, seen: Any) -> None:
        """How it is before anything happens to it. Once is enough."""
        self.versions.setdefault(subject, [seen])

    def add(self, subject: str, seen: Any) -> int:
        """The number of the version that comes now."""
        self.versions[subject].append(seen)
        return len(self.versions[subject]) - 1

    def next_version(self, subject: str) -> int:
        return len(self.versions[subject])

    def complaints(self, marks: Iterable[object], seen: dict[str, Any]) -> list[str]:
        """What is wrong with what is seen, given what had been asked and promised by then; empty when nothing is."""
        least, most = Counter[str](), Counter[str]()
        for mark in marks:
            if isinstance(mark, Acknowledged):
                least[mark.subject] = mark.version
            if isinstance(mark, Attempted):
                most[mark.subject] = mark.version
        wrong = []
        for subject, versions in self.versions.items():
            first, last = least[subject], max(most[subject], least[subject])
            if seen.get(subject) not in versions[first : last + 1]:
                wrong.append(f"{subject}: not version {first} to {last}, but {_short(versions, seen.get(subject))}")
        return wrong


def _short(versions: list[Any], seen: Any) -> str:
    if seen in versions:
        return f"version {versions.index(seen)}"
    return repr(seen)[:300]

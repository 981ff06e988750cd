"""Finds the files to upload, lazily: a folder of a million is never held in memory as a list."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase
from pathlib import Path


@dataclass(frozen=True, slots=True)
class Found:
    """A path, and why it cannot be uploaded if it cannot."""

    path: Path
    problem: OSError | None = None


@dataclass(frozen=True, slots=True)
class Patterns:
    """Which files of a folder are meant: shell patterns for a name, or for the path from the named folder on (with `/`,
    which `*` matches, too). No `include` means all; `exclude` outranks it, and leaves out whole folders."""

    include: Sequence[str] = ()
    exclude: Sequence[str] = ()

    def takes(self, name: str, relative: str) -> bool:
        return (not self.include or _matches(self.include, name, relative)) and self.enters(name, relative)

    def enters(self, name: str, relative: str) -> bool:
        """Whether a folder is looked into."""
        return not _matches(self.exclude, name, relative)


def _matches(patterns: Sequence[str], name: str, relative: str) -> bool:
    return any(fnmatchcase(name, pattern) or fnmatchcase(relative, pattern) for pattern in patterns)


_ALL = Patterns()


def find(paths: Iterable[Path], patterns: Patterns = _ALL) -> Iterator[Found]:
    """Every file of the paths, those in folders in the order of their names, hidden ones too, as the patterns say.

    A link to a file is that file. Links to folders are followed when named, not when found: they may lead in circles.
    """
    for path in paths:
        is_folder = os.path.isdir(path)  # noqa: PTH112  Path's own raises where we may not look
        yield from _inside(path, "", patterns) if is_folder else [Found(path)]


def _inside(folder: Path, above: str, patterns: Patterns) -> Iterator[Found]:
    try:
        with os.scandir(folder) as entries:
            children = sorted(entries, key=lambda entry: entry.name)
    except OSError as error:
        yield Found(folder, error)
        return
    for child in children:
        relative = f"{above}{child.name}"
        if _is_folder(child, follow_symlinks=False):
            if patterns.enters(child.name, relative):
                yield from _inside(Path(child.path), f"{relative}/", patterns)
        elif not _is_folder(child) and patterns.takes(child.name, relative):
            yield Found(Path(child.path))


def _is_folder(child: os.DirEntry[str], *, follow_symlinks: bool = True) -> bool:
    """No for what cannot be looked at (a link that leads in a circle, or where we may not go): whoever opens it hears why,
    and the rest is found all the same."""
    try:
        return child.is_dir(follow_symlinks=follow_symlinks)
    except OSError:
        return False

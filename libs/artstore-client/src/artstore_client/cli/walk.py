"""Finds the files to upload, lazily: a folder of a million is never held in memory as a list."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True, slots=True)
class Found:
    """A path, and why it cannot be uploaded if it cannot."""

    path: Path
    problem: OSError | None = None


def find(paths: Iterable[Path]) -> Iterator[Found]:
    """Every file of the paths, those in folders in the order of their names, hidden ones too.

    A link to a file is that file. Links to folders are followed when named, not when found: they may lead in circles.
    """
    for path in paths:
        yield from _inside(path) if path.is_dir() else [Found(path)]


def _inside(folder: Path) -> Iterator[Found]:
    try:
        with os.scandir(folder) as entries:
            children = sorted(entries, key=lambda entry: entry.name)
    except OSError as error:
        yield Found(folder, error)
        return
    for child in children:
        if child.is_dir(follow_symlinks=False):
            yield from _inside(Path(child.path))
        elif not child.is_dir():
            yield Found(Path(child.path))

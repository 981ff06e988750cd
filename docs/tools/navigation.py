"""A hook of mkdocs: `runbooks/*` in the navigation stands for every page there, so that a new one needs no line."""

from __future__ import annotations

from pathlib import Path
from typing import Any


def on_config(config: Any) -> Any:
    """Called by mkdocs before each language is built."""
    config["nav"] = [_expanded(entry, Path(config["docs_dir"])) for entry in config["nav"]]
    return config


def _expanded(entry: Any, docs: Path) -> Any:
    if not isinstance(entry, dict):
        return entry
    return {title: _list(inside, docs) if isinstance(inside, list) else inside for title, inside in entry.items()}


def _list(entries: list[Any], docs: Path) -> list[Any]:
    made: list[Any] = []
    for entry in entries:
        if isinstance(entry, str) and entry.endswith("/*"):
            pages = sorted((docs / entry[:-2]).glob("*.md"))
            # Where a directory has a page of its own, it is the first.
            first = [page for page in pages if page.name in ("README.md", "index.md")]
            rest = [page for page in pages if page not in first and not page.name.endswith(".ru.md")]
            made += [page.relative_to(docs).as_posix() for page in (*first, *rest)]
        else:
            made.append(_expanded(entry, docs))
    return made

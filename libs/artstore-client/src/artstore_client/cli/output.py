"""What the command prints. Whatever comes from the server passes `names` on its way to the terminal."""

from __future__ import annotations

import json
import sys
from enum import StrEnum
from types import TracebackType
from typing import Any, Self

from rich.console import Console
from rich.text import Text

from artstore_client.names import for_json, for_terminal

words = Console(stderr=True, highlight=False)
"""Stderr. The progress bar uses it too, so that a message appears above the bar and not through it."""


class Output(StrEnum):
    TEXT = "text"
    JSON = "json"
    JSONL = "jsonl"


def say(message: str) -> None:
    """One line for people."""
    words.print(Text(f"artstore: {for_terminal(message)}"), soft_wrap=True)


def as_json(value: Any, *, indent: int | None = None) -> str:
    # A terminal that is not UTF-8 still gets valid JSON, only less readable.
    unicode = (sys.stdout.encoding or "").lower().replace("-", "") == "utf8"
    document = json.dumps(value, ensure_ascii=not unicode, indent=indent)
    return document if indent else for_json(document)


def print_json(value: Any, form: Output = Output.JSON) -> None:
    """One value, over several lines or, as `jsonl`, on one."""
    if form is Output.JSONL:
        print(as_json(value), flush=True)
        return
    lines = as_json(value, indent=2).split("\n")
    print("\n".join(for_json(line) for line in lines), flush=True)


def print_text(*columns: object) -> None:
    """One line, columns parted by tabs: easy to cut, and a tab in a name has been escaped."""
    print("\t".join(for_terminal(str(column)) for column in columns), flush=True)


class Results:
    """Results that come one after another, as they come: text lines, JSON lines, or one JSON array that is closed in any
    case.

    Beside a progress bar on the same terminal the lines go out through the bar's console.
    """

    def __init__(self, output: Output) -> None:
        self._output = output
        self._count = 0
        self._through_words = sys.stdout.isatty() and words.is_terminal

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._output is Output.JSON and not isinstance(error, BrokenPipeError):
            self._line("[]" if not self._count else "]")

    def add(self, item: dict[str, Any], *columns: object) -> None:
        """The item for programs, the columns for people."""
        if self._output is Output.JSON:
            # The comma begins the next line, for nobody knows yet whether there is one.
            self._line(("[" if not self._count else ",") + as_json(item))
        elif self._output is Output.JSONL:
            self._line(as_json(item))
        else:
            self._line("\t".join(for_terminal(str(column)) for column in columns))
        self._count += 1

    def failed(self, item: dict[str, Any]) -> None:
        """Only JSON lines tell of failures: the other forms hold what was done, and stderr the rest."""
        if self._output is Output.JSONL:
            self._line(as_json(item))

    def _line(self, text: str) -> None:
        if self._through_words:
            words.print(Text(text), soft_wrap=True)
        else:
            print(text, flush=True)

"""The progress bar: on stderr, and only when that is a terminal."""

from __future__ import annotations

from types import TracebackType
from typing import Self

from rich.progress import (
    BarColumn,
    DownloadColumn,
    Progress,
    TaskID,
    TextColumn,
    TimeRemainingColumn,
    TransferSpeedColumn,
)
from rich.text import Text

from artstore_client.cli.output import words
from artstore_client.names import for_terminal
from artstore_client.source import OnProgress


class Bars:
    """One bar for each transfer under way, gone when it ends. Does nothing when nobody looks."""

    def __init__(self) -> None:
        self._progress = Progress(
            _NameColumn("{task.description}", markup=False),
            BarColumn(bar_width=None),
            DownloadColumn(binary_units=True),
            TransferSpeedColumn(),
            TimeRemainingColumn(),
            console=words,
            transient=True,
            disable=not words.is_terminal,
            # Stdout is data: rich would send it to this console, which is stderr.
            redirect_stdout=False,
            redirect_stderr=False,
        )

    def __enter__(self) -> Self:
        self._progress.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._progress.stop()

    def begin(self, name: str) -> tuple[TaskID, OnProgress]:
        task = self._progress.add_task(for_terminal(name), total=None)

        def show(done: int, total: int | None) -> None:
            self._progress.update(task, completed=done, total=total)

        return task, show

    def end(self, task: TaskID) -> None:
        self._progress.remove_task(task)


class _NameColumn(TextColumn):
    """The end of a long path, which tells files apart better than its beginning."""

    def render(self, task: object) -> Text:
        description = str(getattr(task, "description", ""))
        return Text(description if len(description) <= 40 else "…" + description[-39:])

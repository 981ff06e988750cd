"""How far transfers are, on stderr: bars where that is a terminal, for uploads lines now and then where it is not."""

from __future__ import annotations

import time
from collections.abc import Callable
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

from artstore_client.cli.output import say, words
from artstore_client.names import for_terminal
from artstore_client.source import OnProgress

_LINE_SECONDS = 10.0


class Bars:
    """One bar for each transfer under way, gone when it ends. Where nobody looks: nothing, or with `lines` one for each
    transfer every ten seconds, which a log can keep."""

    def __init__(self, *, lines: bool = False) -> None:
        self._lines = lines and not words.is_terminal
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
        if self._lines:
            return task, Lines(name).show

        def show(done: int, total: int | None) -> None:
            self._progress.update(task, completed=done, total=total)

        return task, show

    def end(self, task: TaskID) -> None:
        self._progress.remove_task(task)


class Lines:
    """One transfer, told in lines."""

    def __init__(
        self, name: str, tell: Callable[[str], None] = say, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._name, self._tell, self._clock = name, tell, clock
        self._told_at, self._told = clock(), 0

    def show(self, done: int, total: int | None) -> None:
        """The rate is that since the line before."""
        passed = self._clock() - self._told_at
        if passed < _LINE_SECONDS or not total:
            return
        rate = max(0, done - self._told) / passed
        left = f"{_clock_time((total - done) / rate)} left" if rate else "stands still"
        self._tell(f"{self._name}: {100 * done // total} % of {_size(total)}, {_size(rate)}/s, {left}")
        self._told_at, self._told = self._clock(), done


def _size(count: float) -> str:
    for unit in ("B", "KiB", "MiB", "GiB"):
        if count < 1024:
            return f"{count:.0f} B" if unit == "B" else f"{count:.1f} {unit}"
        count /= 1024
    return f"{count:.1f} TiB"


def _clock_time(seconds: float) -> str:
    minutes, rest = divmod(round(seconds), 60)
    return f"{minutes // 60}:{minutes % 60:02}:{rest:02}"


class _NameColumn(TextColumn):
    """The end of a long path, which tells files apart better than its beginning."""

    def render(self, task: object) -> Text:
        description = str(getattr(task, "description", ""))
        return Text(description if len(description) <= 40 else "…" + description[-39:])

"""Tables of what was measured: medians over the repetitions, and the element's ratio to each peer, round by round."""

from __future__ import annotations

import statistics
from collections.abc import Callable
from dataclasses import dataclass

from bench.storage_load import Run

MIB = 1024**2


@dataclass(frozen=True)
class Measured:
    """One load on one server. Memory in bytes: `held` before the load, `peak` during it."""

    server: str
    case: str
    clients: int
    repetition: int
    run: Run
    cpu_seconds: float
    held: int
    peak: int

    @property
    def is_big(self) -> bool:
        return "-big-" in self.case

    @property
    def unit(self) -> float:
        """What CPU seconds are told for: a GiB, or a request."""
        return self.run.units / 1024**3 if self.is_big else self.run.units

    def line(self) -> str:
        rate = f"{self.run.rate / 1e6:.0f} MB/s" if self.is_big else f"{self.run.rate:.0f}/s"
        return f"{self.case:<14}{self.server:<12}{rate:>12}"


def report(measured: list[Measured]) -> str:
    return "\n\n".join(_table(name, measured) for name in dict.fromkeys(one.case for one in measured))


def _table(case: str, measured: list[Measured]) -> str:
    rows = [one for one in measured if one.case == case]
    big = rows[0].is_big
    title = f"{case}: {'MB/s; CPU in seconds a GiB' if big else 'files a second; CPU in microseconds a file'}"
    head = (
        "server",
        "rate",
        "least",
        "most",
        "element/it",
        "p50 ms",
        "p99 ms",
        "cpu",
        "load cpu",
        "peak MiB",
        "MiB/conn",
    )
    lines = [title, _line(head)]
    lines += [_line(_row(name, rows)) for name in dict.fromkeys(one.server for one in rows)]
    return "\n".join(lines)


def _row(server: str, rows: list[Measured]) -> tuple[str, ...]:
    mine = [one for one in rows if one.server == server]
    scale, cpu_scale = (1e6, 1.0) if mine[0].is_big else (1.0, 1e6)
    rates = [one.run.rate / scale for one in mine]

    def middle(value: Callable[[Measured], float | None], digits: int) -> str:
        values = [found for one in mine if (found := value(one)) is not None]
        return f"{statistics.median(values):.{digits}f}" if values else "-"

    return (
        server,
        *(f"{value:.0f}" for value in (statistics.median(rates), min(rates), max(rates))),
        _ratio(mine, rows),
        middle(lambda one: one.run.p50_ms, 2),
        middle(lambda one: one.run.p99_ms, 2),
        middle(lambda one: one.cpu_seconds / one.unit * cpu_scale, 2 if mine[0].is_big else 0),
        middle(lambda one: one.run.generator_cpu / one.unit * cpu_scale, 2 if mine[0].is_big else 0),
        f"{max(one.peak for one in mine) / MIB:.0f}",
        f"{max((one.peak - one.held) / one.clients for one in mine) / MIB:.2f}",
    )


def _ratio(mine: list[Measured], rows: list[Measured]) -> str:
    """The median of the ratios within each round: both were measured within the same minute."""
    ours = {one.repetition: one.run.rate for one in rows if one.server == "element"}
    ratios = [ours[one.repetition] / one.run.rate for one in mine if one.repetition in ours]
    return f"{statistics.median(ratios):.2f}" if ratios and mine[0].server != "element" else "-"


def _line(cells: tuple[str, ...]) -> str:
    return f"{cells[0]:<12}" + "".join(f"{cell:>11}" for cell in cells[1:])

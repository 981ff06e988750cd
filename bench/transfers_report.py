"""Tables of what was measured: medians over the repetitions, ArtStore's ratio to each peer round by round, and what each
process cost."""

from __future__ import annotations

import statistics
from collections.abc import Callable, Mapping
from dataclasses import dataclass

from bench.storage_load import Run

MIB = 1024**2
OURS = "artstore"


@dataclass(frozen=True)
class Measured:
    """One load on one target. By process: CPU in seconds, memory in bytes (`held` before the load, `peak` during it)."""

    target: str
    case: str
    clients: int
    repetition: int
    run: Run
    cpu: Mapping[str, float]
    held: Mapping[str, int]
    peak: Mapping[str, int]

    @property
    def is_big(self) -> bool:
        return self.case.startswith("big")

    def per_unit(self, seconds: float) -> float:
        """CPU seconds a GiB, or microseconds a file."""
        return seconds / self.run.units * (1024**3 if self.is_big else 1e6)

    def line(self) -> str:
        rate = f"{self.run.rate / 1e6:.0f} MB/s" if self.is_big else f"{self.run.rate:.0f}/s"
        return f"{self.case:<12}{self.target:<13}{rate:>11}"


def report(measured: list[Measured]) -> str:
    return "\n\n".join(_table(case, measured) for case in dict.fromkeys(one.case for one in measured))


def _table(case: str, measured: list[Measured]) -> str:
    rows = [one for one in measured if one.case == case]
    unit = "MB/s; CPU in seconds a GiB" if rows[0].is_big else "files a second; CPU in microseconds a file"
    head = ("", "rate", "least", "most", "artstore/it", "p50 ms", "p99 ms", "cpu", "load cpu", "peak MiB", "grown MiB")
    lines = [f"{case}: {unit}", _line(head)]
    for target in dict.fromkeys(one.target for one in rows):
        mine = [one for one in rows if one.target == target]
        lines.append(_line(_row(target, mine, rows)))
        lines += [_line(_process(name, mine)) for name in mine[0].cpu]
    return "\n".join(lines)


def _row(target: str, mine: list[Measured], rows: list[Measured]) -> tuple[str, ...]:
    rates = [one.run.rate / (1e6 if one.is_big else 1.0) for one in mine]
    return (
        target,
        *(f"{value:.0f}" for value in (statistics.median(rates), min(rates), max(rates))),
        _ratio(target, mine, rows),
        _middle(mine, lambda one: one.run.p50_ms, 2),
        _middle(mine, lambda one: one.run.p99_ms, 2),
        _middle(mine, lambda one: one.per_unit(sum(one.cpu.values())), _digits(mine)),
        _middle(mine, lambda one: one.per_unit(one.run.generator_cpu), _digits(mine)),
        f"{max(sum(one.peak.values()) for one in mine) / MIB:.0f}",
        f"{max(sum(one.peak.values()) - sum(one.held.values()) for one in mine) / MIB:.0f}",
    )


def _process(name: str, mine: list[Measured]) -> tuple[str, ...]:
    cpu = _middle(mine, lambda one: one.per_unit(one.cpu[name]), _digits(mine))
    peak = max(one.peak[name] for one in mine)
    grown = max(one.peak[name] - one.held[name] for one in mine)
    return (f"  {name}", *[""] * 6, cpu, "", f"{peak / MIB:.0f}", f"{grown / MIB:.0f}")


def _digits(mine: list[Measured]) -> int:
    return 2 if mine[0].is_big else 0


def _middle(mine: list[Measured], value: Callable[[Measured], float | None], digits: int) -> str:
    values = [found for one in mine if (found := value(one)) is not None]
    return f"{statistics.median(values):.{digits}f}" if values else "-"


def _ratio(target: str, mine: list[Measured], rows: list[Measured]) -> str:
    """The median of the ratios within each round: both were measured within the same minutes."""
    ours = {one.repetition: one.run.rate for one in rows if one.target == OURS}
    ratios = [ours[one.repetition] / one.run.rate for one in mine if one.repetition in ours]
    return f"{statistics.median(ratios):.2f}" if ratios and target != OURS else "-"


def _line(cells: tuple[str, ...]) -> str:
    return f"{cells[0]:<14}" + "".join(f"{cell:>12}" for cell in cells[1:])

"""What `make status` shows."""

from __future__ import annotations

import time
from dataclasses import dataclass

from artstore_stack.health import PartHealth
from artstore_stack.parts import Part
from artstore_stack.supervisor import ProcessState


@dataclass(frozen=True, slots=True)
class PartStatus:
    """A part's process and its health. `reason`: why it is not well, or why its process ended."""

    part: Part
    process: ProcessState
    health: PartHealth
    reason: str

    @property
    def ok(self) -> bool:
        return self.process.running and self.health.ok


def table(statuses: list[PartStatus]) -> str:
    """One line a part: state, pid, since, health, reason."""
    rows = [("part", "state", "pid", "since", "health", "reason")]
    rows += [
        (
            status.part.value,
            status.process.state.lower(),
            str(status.process.pid or "-"),
            _since(status.process.since),
            status.health.state,
            status.reason,
        )
        for status in statuses
    ]
    widths = [max(len(row[column]) for row in rows) for column in range(len(rows[0]))]
    return "\n".join(
        "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip() for row in rows
    )


def _since(moment: int) -> str:
    return time.strftime("%Y-%m-%d %H:%M:%S", time.localtime(moment)) if moment else "-"

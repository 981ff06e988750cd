"""What happened to processes, read from supervisord's log: the one place where a signal's name stands."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

_LINE = re.compile(
    r"^(?P<time>\S+ [\d:]+),\d+ \w+ "
    r"(?:exited: (?P<died>\S+) \((?P<why>.+); (?:not )?expected\)"
    r"|stopped: (?P<stopped>\S+) \((?P<how>.+)\)"
    r"|spawned: '(?P<spawned>[^']+)' with pid (?P<pid>\d+)"
    r"|gave up: (?P<given_up>\S+) .*)$"
)


@dataclass(frozen=True, slots=True)
class ProcessEvent:
    """`kind`: `died`, `stopped`, `started` or `gave up`; `detail`: the exit status or signal, or the new pid."""

    kind: str
    name: str
    detail: str
    time: str


def parse(line: str) -> ProcessEvent | None:
    """The event in one line of the log; None for any other line."""
    found = _LINE.match(line)
    if found is None:
        return None
    time = found["time"]
    if found["died"]:
        return ProcessEvent("died", found["died"], found["why"], time)
    if found["stopped"]:
        return ProcessEvent("stopped", found["stopped"], found["how"], time)
    if found["spawned"]:
        return ProcessEvent("started", found["spawned"], found["pid"], time)
    return ProcessEvent("gave up", found["given_up"], "it ended too quickly, too many times", time)


class EventLog:
    """Follows the log from its present end on, over rotations."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._position = path.stat().st_size if path.exists() else 0

    def new(self) -> list[ProcessEvent]:
        """Events since the last call."""
        try:
            with self._path.open("rb") as file:
                if file.seek(0, 2) < self._position:
                    self._position = 0  # rotated: a new file has begun
                file.seek(self._position)
                data = file.read()
        except FileNotFoundError:
            return []
        whole = data[: data.rfind(b"\n") + 1]
        self._position += len(whole)
        lines = whole.decode(errors="replace").splitlines()
        return [event for line in lines if (event := parse(line)) is not None]


def last_end(path: Path, name: str) -> str:
    """Why `name` last ended; empty when it never did."""
    if not path.exists():
        return ""
    reason = ""
    for line in path.read_text(errors="replace").splitlines():
        event = parse(line)
        if event is not None and event.name == name and event.kind in ("died", "stopped", "gave up"):
            reason = f"{event.kind} {event.time}: {event.detail}"
    return reason

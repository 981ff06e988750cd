"""The foreground of `make up`: tells what happens to the processes, one clear line each."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path

from artstore_stack.events import EventLog, ProcessEvent
from artstore_stack.files import tail
from artstore_stack.layout import Layout
from artstore_stack.parts import WITHOUT, Part
from artstore_stack.supervisor import Supervisor


class Watcher:
    """Follows one stack until its supervisor is gone."""

    def __init__(self, layout: Layout, supervisor: Supervisor, say: Callable[[str], None]) -> None:
        self._layout, self._supervisor, self._say = layout, supervisor, say
        self._events = EventLog(layout.supervisor_log)
        self._away: set[str] = set()

    def run(self, interval: float = 0.5) -> None:
        """Returns when the supervisor has ended."""
        while True:
            self.report()
            if not self._supervisor.running():
                self.report()
                return
            time.sleep(interval)

    def report(self) -> None:
        """Say what has happened since the last report."""
        for event in self._events.new():
            for line in self._words(event):
                self._say(line)

    def _words(self, event: ProcessEvent) -> list[str]:
        clock = event.time.partition(" ")[2]
        if event.kind == "started":
            if event.name not in self._away:
                return []
            self._away.discard(event.name)
            return [f"{clock} {event.name} runs again (pid {event.detail})"]
        self._away.add(event.name)
        log = self._layout.log(Part(event.name))
        if event.kind == "stopped":
            return [f"{clock} {event.name} was stopped. {_meanwhile(event)}"]
        if event.kind == "gave up":
            advice = f"`make start PART={event.name}` tries again"
            return [f"{clock} {event.name} stays down: {event.detail}; {advice}. {_meanwhile(event)}"]
        return [
            f"{clock} {event.name} died ({event.detail}) and is being started again. {_meanwhile(event)}",
            *_last_words(log),
        ]


def _meanwhile(event: ProcessEvent) -> str:
    return f"Without it: {WITHOUT[Part(event.name)]}."


def _last_words(log: Path) -> list[str]:
    lines = tail(log, 3)
    return [f"         last lines of {log}:", *(f"           {line[:300]}" for line in lines)] if lines else []

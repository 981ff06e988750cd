"""Can the clock be believed? What is removed because its time is over must not be removed by a clock that jumped (S6).

The wall clock is held against a monotonic one while the element runs, and over a restart against the time at which the
element was last seen running. Where they part by more than a day, or the wall clock went back over a restart, nobody
here can know which of them is right: the element may just have been off for a week, or a dead battery may have thrown
the clock ten years ahead, at which every temporary file is over. So nothing is removed until the clock agrees again, or
has run steadily for so long that people had the time to notice.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Final

from artstore_core.errors import ArtStoreError

from storage_element.store.inspection import Notes
from storage_element.store.ports import Clock
from storage_element.store.workers import Workers

_NOTE: Final = "clock"
_SCHEMA_VERSION: Final = 1
NOTE_SECONDS: Final = 300.0
"""How often it is noted that the element runs."""
JUMP: Final = timedelta(days=1)
STEP_BACK: Final = timedelta(minutes=1)
"""What a clock may be put back over a restart: it is adjusted, a little, all the time."""
UNSTEADY: Final = timedelta(hours=1)

Monotonic = Callable[[], float]


@dataclass(frozen=True, slots=True)
class _Line:
    """The wall clock agrees if it shows `wall` at `at` seconds of the monotonic one, and goes on like that; but for
    `early` and `late`. `wall` None agrees with nothing."""

    wall: datetime | None
    at: float
    early: timedelta
    late: timedelta

    def agrees(self, wall: datetime, at: float) -> bool:
        if self.wall is None:
            return False
        ahead = wall - self.wall - timedelta(seconds=at - self.at)
        return -self.early <= ahead <= self.late


class ClockGuard:
    """`tell` hears when doubt begins and ends. `settle_seconds` is how long a clock must run steadily to be believed in
    spite of a doubt."""

    def __init__(
        self,
        now: Clock,
        monotonic: Monotonic,
        notes: Notes,
        workers: Workers,
        opened: asyncio.Event,
        tell: Callable[..., Any],
        settle_seconds: float,
    ) -> None:
        self._now, self._monotonic, self._notes, self._workers = now, monotonic, notes, workers
        self._opened, self._tell, self._settle_seconds = opened, tell, settle_seconds
        self._began = self._line_from(now(), monotonic())
        self._believed = self._began
        self._steady: _Line | None = None
        self._loaded = False

    @property
    def doubtful(self) -> bool:
        """As it was found last."""
        return self._steady is not None

    async def time(self) -> datetime | None:
        """The time now, by which things may be removed; None while it cannot be believed. Raises StorageUnavailable."""
        if not self._loaded:
            self._take_over(await self._workers.run(self._notes.load, _NOTE))
        now = self._now()
        self._look(now, self._monotonic())
        return None if self.doubtful else now

    async def run(self) -> None:
        """For ever: notes now and then that the element runs, while the clock can be believed: a restart in the midst
        of a doubt must not end it."""
        while True:
            await asyncio.sleep(NOTE_SECONDS)
            await self._opened.wait()
            with suppress(ArtStoreError):
                await self.note()

    async def note(self) -> None:
        """Raises StorageUnavailable, StorageFull."""
        if (now := await self.time()) is not None:
            content = {"schema_version": _SCHEMA_VERSION, "seen_at": now.isoformat()}
            await self._workers.run(self._notes.save, _NOTE, json.dumps(content).encode())

    def _take_over(self, content: bytes | None) -> None:
        """What the last run left. Nothing at all is no reason to doubt: nothing there is older than the element."""
        if self._loaded:
            return
        self._loaded = True
        if content is None:
            return
        began = self._began
        self._believed = _Line(_seen_at(content), began.at, early=STEP_BACK, late=JUMP)
        if began.wall is not None and self._believed.agrees(began.wall, began.at):
            self._believed = began
        else:
            self._doubt(began)

    def _look(self, wall: datetime, at: float) -> None:
        if self._believed.agrees(wall, at):
            if self._steady is not None:
                self._believe(self._believed, "it agrees again")
        elif self._steady is None or not self._steady.agrees(wall, at):
            self._doubt(self._line_from(wall, at))
        elif at - self._steady.at >= self._settle_seconds:
            self._believe(self._line_from(wall, at), "it has run steadily for long enough")

    def _doubt(self, line: _Line) -> None:
        self._steady = _Line(line.wall, line.at, early=UNSTEADY, late=UNSTEADY)
        expected = self._believed.wall
        self._tell(
            "nothing is removed",
            why="the clock jumped",
            clock=None if line.wall is None else line.wall.isoformat(),
            seen_before=None if expected is None else expected.isoformat(),
            until_steady_seconds=self._settle_seconds,
        )

    def _believe(self, line: _Line, why: str) -> None:
        self._believed, self._steady = line, None
        self._tell("the clock is believed again", why=why)

    def _line_from(self, wall: datetime, at: float) -> _Line:
        return _Line(wall, at, early=JUMP, late=JUMP)


def _seen_at(content: bytes) -> datetime | None:
    """None for what cannot be read: then nothing is known, and that is not the same as a new element."""
    try:
        seen = datetime.fromisoformat(json.loads(content)["seen_at"])
    except (ValueError, KeyError, TypeError):
        return None
    return None if seen.tzinfo is None else seen

"""A clock that jumped removes nothing: the guard, with both clocks in the test's hands."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta

import pytest
from artstore_core.errors import StorageUnavailable
from storage_element.store.clock import ClockGuard
from storage_element.store.workers import Workers

SETTLE = 24 * 3600.0
DAYS = timedelta(days=1)
HOURS = timedelta(hours=1)


class Machine:
    """Both clocks, and what outlives a restart."""

    def __init__(self, workers: Workers) -> None:
        self.workers = workers
        self.wall = datetime(2026, 11, 22, 12, tzinfo=UTC)
        self.monotonic = 1000.0
        self.notes: dict[str, bytes] = {}
        self.away = False
        self.told: list[str] = []

    def load(self, name: str) -> bytes | None:
        self._check()
        return self.notes.get(name)

    def save(self, name: str, content: bytes) -> None:
        self._check()
        self.notes[name] = content

    def _check(self) -> None:
        if self.away:
            raise StorageUnavailable("away")

    def boot(self) -> ClockGuard:
        return ClockGuard(
            lambda: self.wall,
            lambda: self.monotonic,
            self,
            self.workers,
            asyncio.Event(),
            lambda event, **_: self.told.append(event),
            SETTLE,
        )

    def passes(self, time: timedelta) -> None:
        self.wall += time
        self.monotonic += time.total_seconds()

    def restart(self, off: timedelta = timedelta()) -> ClockGuard:
        self.wall += off
        self.monotonic = 5.0
        return self.boot()


@pytest.fixture
async def machine() -> AsyncIterator[Machine]:
    workers = Workers()
    yield Machine(workers)
    workers.close()


async def trusted(guard: ClockGuard) -> bool:
    return await guard.time() is not None


async def test_steady_clock_is_believed_however_long_it_runs(machine: Machine) -> None:
    guard = machine.boot()
    for _ in range(100):
        machine.passes(30 * DAYS)
        assert await guard.time() == machine.wall
    assert machine.told == []


@pytest.mark.parametrize("jump", [2 * DAYS, -2 * DAYS, 3650 * DAYS, -3650 * DAYS])
async def test_jump_is_doubted_until_the_clock_agrees_again(machine: Machine, jump: timedelta) -> None:
    guard = machine.boot()
    assert await trusted(guard)
    machine.wall += jump
    assert not await trusted(guard)
    doubtful = [guard.doubtful]
    machine.passes(HOURS)
    assert not await trusted(guard)
    machine.wall -= jump
    assert await trusted(guard)
    assert [*doubtful, guard.doubtful] == [True, False]
    assert len(machine.told) == 2


async def test_jump_is_believed_once_it_ran_steadily(machine: Machine) -> None:
    guard = machine.boot()
    machine.wall += 2 * DAYS
    assert not await trusted(guard)
    machine.passes(timedelta(seconds=SETTLE - 1))
    assert not await trusted(guard)
    machine.passes(timedelta(seconds=1))
    assert await trusted(guard)
    machine.passes(10 * DAYS)
    assert await trusted(guard)


async def test_second_jump_begins_the_wait_anew(machine: Machine) -> None:
    guard = machine.boot()
    machine.wall += 2 * DAYS
    assert not await trusted(guard)
    machine.passes(timedelta(seconds=SETTLE - 1))
    machine.wall += 2 * DAYS
    assert not await trusted(guard)
    machine.passes(timedelta(seconds=SETTLE - 1))
    assert not await trusted(guard)
    machine.passes(timedelta(seconds=1))
    assert await trusted(guard)


async def test_many_small_jumps_are_one_great_one(machine: Machine) -> None:
    guard = machine.boot()
    for _ in range(2):
        assert await trusted(guard)
        machine.wall += 13 * HOURS
    assert not await trusted(guard)


@pytest.mark.parametrize(
    ("off", "believed"),
    [
        (timedelta(seconds=10), True),
        (23 * HOURS, True),
        (25 * HOURS, False),
        (400 * DAYS, False),
        (-timedelta(seconds=30), True),
        (-2 * HOURS, False),
    ],
)
async def test_restart_is_held_against_when_it_was_seen_last(machine: Machine, off: timedelta, believed: bool) -> None:
    await machine.boot().note()
    assert await trusted(machine.restart(off)) is believed


async def test_restart_does_not_end_a_doubt(machine: Machine) -> None:
    guard = machine.boot()
    await guard.note()
    machine.wall += 400 * DAYS
    await guard.note()
    for _ in range(3):
        guard = machine.restart(HOURS)
        await guard.note()
        assert not await trusted(guard)
    machine.passes(timedelta(seconds=SETTLE))
    await guard.note()
    assert await trusted(guard)
    assert await trusted(machine.restart(HOURS))


async def test_clock_that_comes_back_over_a_restart_is_believed(machine: Machine) -> None:
    await machine.boot().note()
    assert not await trusted(machine.restart(400 * DAYS))
    assert await trusted(machine.restart(-400 * DAYS + HOURS))


async def test_new_element_has_nothing_to_doubt(machine: Machine) -> None:
    assert await trusted(machine.boot())


@pytest.mark.parametrize("content", [b"", b"{", b"[]", b'{"seen_at": 5}', b'{"seen_at": "2026-11-22T12:00:00"}'])
async def test_note_that_cannot_be_read_is_doubted(machine: Machine, content: bytes) -> None:
    machine.notes["clock"] = content
    guard = machine.boot()
    assert not await trusted(guard)
    machine.passes(timedelta(seconds=SETTLE))
    assert await trusted(guard)


async def test_disk_that_is_away_says_nothing_of_the_clock(machine: Machine) -> None:
    await machine.boot().note()
    guard = machine.restart(400 * DAYS)
    machine.away = True
    with pytest.raises(StorageUnavailable):
        await guard.time()
    machine.away = False
    assert not await trusted(guard)

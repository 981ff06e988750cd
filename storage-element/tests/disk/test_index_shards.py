"""Which files are in which directory: noted when somebody asks, beside everything else that is written."""

from __future__ import annotations

import threading
from pathlib import Path

import pytest
from element_index import place, record
from storage_element.disk.index import Entry, SqliteIndex
from storage_element.disk.index.turns import Turns

FILES = 30_000


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "index.sqlite"


def entries(numbers: range) -> list[Entry]:
    return [Entry(number, record(number)) for number in numbers]


def all_of(index: SqliteIndex) -> set[int]:
    return {file_id.int for number in range(4096) for file_id in index.shard(f"{number:03x}")}


def test_who_waits_is_next() -> None:
    turns, order = Turns(), list[str]()
    waiting = threading.Event()

    def wait() -> None:
        waiting.set()
        with turns:
            order.append("the other")

    thread = threading.Thread(target=wait)
    with turns:
        thread.start()
        assert waiting.wait(20)
        while not turns._next.locked():
            pass
    with turns:
        order.append("the same again")
    thread.join(20)
    assert order == ["the other", "the same again"]


@pytest.mark.parametrize("in_memory", [False, True])
def test_others_write_while_many_files_are_noted(path: Path, *, in_memory: bool) -> None:
    with place(None if in_memory else path) as at:
        at.index.apply(entries(range(1, FILES + 1)))
        stop, going = threading.Event(), threading.Event()
        last = FILES

        def write() -> None:
            nonlocal last
            while not stop.is_set():
                at.index.apply([Entry(last + 1, record(last + 1))])
                last += 1
                going.set()

        thread = threading.Thread(target=write)
        thread.start()
        assert going.wait(20)
        before = last
        at.index.shard("000")
        during = last - before
        stop.set()
        thread.join(20)
        assert during >= 5
        assert all_of(at.index) == set(range(1, last + 1))


def test_what_is_put_late_is_noted_too(path: Path) -> None:
    """As what a full disk held up: its number was passed long ago."""
    with place(path) as at:
        at.index.apply(entries(range(2, FILES + 1, 2)))

        def write() -> None:
            for first in range(1, FILES, 1000):
                at.index.apply(entries(range(first, first + 1000, 2)))

        thread = threading.Thread(target=write)
        thread.start()
        at.index.shard("000")
        thread.join(20)
        assert all_of(at.index) == set(range(1, FILES + 1))


def test_what_is_purged_meanwhile_is_not_there(path: Path) -> None:
    with place(path) as at:
        at.index.apply(entries(range(1, FILES + 1)))

        def purge() -> None:
            for first in range(1, FILES + 1, 1000):
                at.index.apply(
                    [Entry(FILES + number, record(number), purged=True) for number in range(first, first + 1000)]
                )

        thread = threading.Thread(target=purge)
        thread.start()
        at.index.shard("000")
        thread.join(20)
        assert all_of(at.index) == set()

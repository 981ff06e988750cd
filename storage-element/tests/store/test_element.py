"""The element as its threads see it: what one of them does while another closes it."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import AsyncIterator, Sequence
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import pytest
from artstore_core.errors import StorageUnavailable
from artstore_core.files import Attributes
from artstore_core.modes import Mode
from storage_element.disk.filesystem import RealFileSystem
from storage_element.disk.root import DataRoot
from storage_element.store.capacity import Capacity
from storage_element.store.changes import THE_ELEMENT, Change, ChangeKind, Logged
from storage_element.store.element import Element
from storage_element.store.records import mode_record
from storage_element.store.workers import Workers

NOW = datetime(2026, 11, 21, tzinfo=UTC)
MIB = 1024 * 1024


class SlowToRead(bytes):
    """Waits where it is read."""

    reached, go_on = threading.Event(), threading.Event()

    def decode(self, encoding: str = "utf-8", errors: str = "strict") -> str:
        self.reached.set()
        assert self.go_on.wait(20)
        return super().decode(encoding, errors)


class SlowModes(DataRoot):
    """What it says of a logged change of mode is read slowly."""

    def append(self, changes: Sequence[Change]) -> list[Logged]:
        return [
            replace(logged, change=replace(logged.change, record=SlowToRead(logged.change.record)))
            for logged in super().append(changes)
        ]


@pytest.fixture
async def element(tmp_path: Path) -> AsyncIterator[Element]:
    disk = SlowModes(tmp_path / "root", RealFileSystem(), "se-1", lambda *_: None)
    disk.initialise(Mode.RW, NOW)
    workers = Workers()
    made = Element("se-1", "0", disk, Capacity(None), workers, lambda _: None, 64 * MIB, 60, 0)
    await made.open()
    yield made
    await made.close()
    workers.close()


async def test_change_of_mode_opens_nothing_that_was_closed_meanwhile(element: Element, tmp_path: Path) -> None:
    def to_read_only(_: Attributes | None) -> Change:
        return Change(ChangeKind.MODE, THE_ELEMENT, mode_record(Mode.RO, "sa:x", NOW))

    marker = tmp_path / "root" / "artstore-element.json"
    changing = asyncio.create_task(element.submit(THE_ELEMENT, to_read_only))
    assert await asyncio.to_thread(SlowToRead.reached.wait, 20)
    marker.rename(tmp_path / "away")
    with pytest.raises(StorageUnavailable):
        await element.probe()
    SlowToRead.go_on.set()
    await changing
    for ask in (lambda: element.mode, lambda: element.commits):
        with pytest.raises(StorageUnavailable, match="not there"):
            ask()
    (tmp_path / "away").rename(marker)
    await element.open()
    assert element.mode is Mode.RO


async def test_why_it_does_not_open_is_told_once_and_in_full(tmp_path: Path) -> None:
    path, said = tmp_path / "root", list[str]()
    disk = DataRoot(path, RealFileSystem(), "se-1", lambda *_: None)
    disk.initialise(Mode.RW, NOW)
    workers = Workers()
    made = Element("se-1", "0", disk, Capacity(None), workers, said.append, 64 * MIB, 60, 0)
    (path / "mode.json").rename(path / "away")
    for _ in range(2):
        with pytest.raises(StorageUnavailable):
            await made.open()
    (first,) = said
    assert first.startswith("cannot open: The storage element's mode cannot be read.")
    assert str(path / "mode.json") in first
    (path / "away").rename(path / "mode.json")
    await made.open()
    assert said[1:] == ["open"]
    await made.close()
    workers.close()

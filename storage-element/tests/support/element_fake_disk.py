"""A disk in memory, with gates: what `store/commits.py`, `applying.py` and `checkpoint.py` ask of one, and no more."""

from __future__ import annotations

import threading
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any
from uuid import UUID

from artstore_core.errors import NotFound, StorageFull
from artstore_core.files import Attributes
from storage_element.store.changes import Change, ChangeKind, Logged


class Gate:
    """Open, until it is shut; `reached` counts those who came to it since then."""

    def __init__(self) -> None:
        self._open = threading.Event()
        self._open.set()
        self.reached = threading.Semaphore(0)

    def shut(self) -> None:
        self._open.clear()
        while self.reached.acquire(blocking=False):
            pass  # of those who came while it was open

    def open(self) -> None:
        self._open.set()

    def passed(self) -> None:
        self.reached.release()
        if not self._open.wait(20):
            raise OSError("the gate was not opened")


@dataclass
class FakeIndex:
    applied: int = 0
    used_bytes: int = 0


@dataclass
class FakeDisk:
    """`groups` are what was logged, `files` what is in its place. `full` are files that the disk has no room for."""

    index: FakeIndex = field(default_factory=FakeIndex)
    groups: list[list[Change]] = field(default_factory=list)
    applied: list[Logged] = field(default_factory=list)
    files: dict[UUID, Attributes] = field(default_factory=dict)
    full: set[UUID] = field(default_factory=set)
    appending: Gate = field(default_factory=Gate)
    applying: Gate = field(default_factory=Gate)
    append_error: Exception | None = None
    apply_error: Exception | None = None
    index_full: bool = False
    failed: bool = False
    log_bytes: int = 0
    dropped: list[str] = field(default_factory=list)
    steps: list[str] = field(default_factory=list)
    rotated: threading.Event = field(default_factory=threading.Event)
    _sequence: int = 0

    def check(self) -> None:
        """It is always there."""

    def append(self, changes: Sequence[Change]) -> list[Logged]:
        self.appending.passed()
        if self.append_error is not None:
            raise self.append_error
        self.groups.append(list(changes))
        self.log_bytes += sum(len(change.record) + len(change.body or b"") for change in changes)
        first = self._sequence + 1
        self._sequence += len(changes)
        return [Logged(first + number, change) for number, change in enumerate(changes)]

    def apply(self, logged: Logged) -> None:
        self.applying.passed()
        if self.apply_error is not None:
            raise self.apply_error
        change = logged.change
        if change.kind is not ChangeKind.PURGE and change.file_id in self.full:
            raise StorageFull("full")
        if change.kind is ChangeKind.PURGE:
            self.files.pop(change.file_id, None)
        elif change.attributes is not None:
            self.files[change.file_id] = change.attributes
        self.applied.append(logged)

    def index_changes(self, done: Sequence[Logged]) -> None:
        if self.index_full and done:
            raise StorageFull("full")
        self.index.applied = max([self.index.applied, *(logged.sequence for logged in done)])
        self.index.used_bytes = sum(attributes.size for attributes in self.files.values())

    def last_known(self, file_id: UUID) -> Attributes:
        try:
            return self.files[file_id]
        except KeyError:
            raise NotFound("no") from None

    def rotate_log(self) -> int:
        self.steps.append("rotate")
        self.rotated.set()
        return self._sequence

    def make_durable(self) -> None:
        self.steps.append("flush")

    def drop_log(self) -> None:
        self.steps.append("drop")
        self.log_bytes = 0

    def drop_staged(self, staged: Sequence[str]) -> None:
        self.dropped += staged


def as_disk(fake: FakeDisk) -> Any:
    """The rest of the protocol is asked for by nobody here."""
    return fake

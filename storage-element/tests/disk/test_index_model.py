"""Random histories of an index, against a dictionary that does the same. Hypothesis finds the shortest that differs."""

from __future__ import annotations

import tempfile
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import ClassVar

from artstore_core.files import Attributes, FileStatus
from element_index import NOW, Place, feed, leaf_through, record, walk
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule
from storage_element.disk.index import Entry

FILES = (1, 0x1001, 0x2001, 0xABC, 1 << 127 | 0xABC)
HOUR = timedelta(hours=1)

changes = st.lists(
    st.tuples(
        st.sampled_from(FILES),
        st.integers(0, 5),
        st.sampled_from([None, NOW, NOW + HOUR, NOW + 3 * HOUR]),
        st.sampled_from(FileStatus),
        st.booleans(),
    ),
    max_size=6,
)


@dataclass
class Known:
    entry: Entry
    purged_at: datetime

    @property
    def attributes(self) -> Attributes:
        return self.entry.attributes

    def status(self, now: datetime) -> FileStatus:
        if self.entry.purged:
            return FileStatus.DELETED
        if self.attributes.status is FileStatus.ACTIVE and self.attributes.is_expired(now):
            return FileStatus.EXPIRED
        return self.attributes.status


class Histories(RuleBasedStateMachine):
    in_memory: ClassVar[bool]

    @initialize()
    def begin(self) -> None:
        self.directory = tempfile.TemporaryDirectory()
        self.place = Place(None if self.in_memory else Path(self.directory.name) / "index.sqlite")
        self.known: dict[int, Known] = {}
        self.history: list[Entry] = []
        self.waiting: list[Entry] = []
        self.last = self.applied = self.trimmed = 0

    def teardown(self) -> None:
        if hasattr(self, "place"):
            self.place.index.close()
            self.directory.cleanup()

    def apply(self, entries: list[Entry]) -> None:
        self.place.index.apply(entries)
        trimmed = self.trimmed
        for entry in entries:
            self.applied = max(self.applied, entry.sequence)
            number = entry.attributes.file_id.int
            there = self.known.get(number)
            if entry.sequence > trimmed and (there is None or there.entry.sequence < entry.sequence):
                self.known[number] = Known(entry, self.place.time)

    def numbered(self, drawn: list[tuple[int, int, datetime | None, FileStatus, bool]]) -> list[Entry]:
        made = []
        for number, size, expires_at, status, purged in drawn:
            self.last += 1
            made.append(Entry(self.last, record(number, size, expires_at, status=status), purged=purged))
        self.history += made
        return made

    @rule(drawn=changes)
    def change(self, drawn: list[tuple[int, int, datetime | None, FileStatus, bool]]) -> None:
        self.apply(self.numbered(drawn))

    @rule(drawn=changes)
    def hold_back(self, drawn: list[tuple[int, int, datetime | None, FileStatus, bool]]) -> None:
        self.waiting += self.numbered(drawn)

    @precondition(lambda self: self.waiting)
    @rule(data=st.data())
    def apply_late_and_in_any_order(self, data: st.DataObject) -> None:
        self.apply(data.draw(st.permutations(self.waiting)))
        self.waiting = []

    @precondition(lambda self: self.history)
    @rule(data=st.data())
    def replay(self, data: st.DataObject) -> None:
        start = data.draw(st.integers(0, len(self.history) - 1))
        waiting = {entry.sequence for entry in self.waiting}
        self.apply([entry for entry in self.history[start:] if entry.sequence not in waiting])

    @rule()
    def reopen(self) -> None:
        self.place.reopen()

    @rule()
    def flush(self) -> None:
        self.place.index.flush()

    @rule()
    def let_time_pass(self) -> None:
        self.place.time += HOUR

    @rule(hours=st.integers(0, 3))
    def trim(self, hours: int) -> None:
        before = self.place.time - hours * HOUR
        gone = [number for number, one in self.known.items() if one.entry.purged and one.purged_at < before]
        assert self.place.index.trim(before) == len(gone)
        for number in gone:
            self.trimmed = max(self.trimmed, self.known.pop(number).entry.sequence)

    @rule(shard=st.sampled_from(["001", "abc", "fff"]))
    def look_into_a_shard(self, shard: str) -> None:
        expected = {
            one.attributes.file_id: one.attributes
            for one in self.known.values()
            if not one.entry.purged and one.attributes.file_id.hex.endswith(shard)
        }
        assert self.place.index.shard(shard) == expected

    @invariant()
    def sums_agree(self) -> None:
        index, there = self.place.index, self.there()
        assert (index.applied, index.trimmed) == (self.applied, self.trimmed)
        assert index.used_bytes == sum(one.attributes.size for one in there)
        for status, count in index.counts.items():
            assert count == sum(one.attributes.status is status for one in there)

    @invariant()
    def pages_agree(self) -> None:
        now = self.place.time
        for status in (None, *FileStatus):
            expected = sorted(one.attributes.file_id for one in self.there() if status in (None, one.status(now)))
            for limit in (2, 50):
                assert walk(self.place.index, limit, status, now) == expected
                assert leaf_through(self.place.index, limit, status, now) == expected

    @invariant()
    def feed_agrees(self) -> None:
        now = self.place.time
        expected = sorted((one.entry.sequence, number, one.status(now)) for number, one in self.known.items())
        assert feed(self.place.index, limit=2, now=now) == expected
        middle = self.last // 2
        assert feed(self.place.index, middle, now=now) == [one for one in expected if one[0] > middle]

    @invariant()
    def single_files_agree(self) -> None:
        now = self.place.time
        done_with = {FileStatus.DELETED, FileStatus.EXPIRED}
        for one in self.known.values():
            expected = None if one.entry.purged else one.attributes
            assert self.place.index.get(one.attributes.file_id) == expected
        to_purge = [
            one.attributes.file_id
            for one in self.there()
            if one.status(now) in done_with or one.attributes.is_expired(now)
        ]
        assert sorted(self.place.index.to_purge(now, 50)) == sorted(to_purge)

    def there(self) -> list[Known]:
        return [one for one in self.known.values() if not one.entry.purged]


class InAFile(Histories):
    in_memory = False


class InMemory(Histories):
    in_memory = True


_SETTINGS = settings(
    max_examples=30, stateful_step_count=25, deadline=None, suppress_health_check=[HealthCheck.too_slow]
)
TestInAFile = InAFile.TestCase
TestInAFile.settings = _SETTINGS
TestInMemory = InMemory.TestCase
TestInMemory.settings = _SETTINGS

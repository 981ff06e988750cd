"""Damage of every kind, and what a start makes of it: a torn tail is cut off and kept; damage in what was acknowledged
refuses the start, and changes nothing."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest
from element_roots import ONE, Root, change, file_id, flipped, put
from storage_element.disk.durable import Durable
from storage_element.disk.filesystem import RealFileSystem
from storage_element.disk.verification import Verification
from storage_element.disk.wal.format import SEGMENT_HEADER_BYTES
from storage_element.disk.wal.log import Log
from storage_element.disk.wal.reader import LogDamaged, LogReader
from storage_element.disk.wal.segments import Segments
from storage_element.store.changes import THE_ELEMENT, Change, ChangeKind, Logged

STORAGE_ID = "se-1"
REAL = RealFileSystem()


class Wal:
    """A log alone, with a few groups; `ends` are where each of them ends in its segment."""

    def __init__(self, directory: Path) -> None:
        directory.mkdir()
        self.directory = directory
        self.segments = Segments(directory, REAL, Durable(REAL))
        self.log = Log(self.segments, REAL, Durable(REAL), STORAGE_ID, 1)
        self.log.begin()
        self.ends = [SEGMENT_HEADER_BYTES]

    def append(self, *changes: Change) -> None:
        before = self.paths()[-1].stat().st_size
        self.log.append(changes)
        size = self.paths()[-1].stat().st_size
        if before == SEGMENT_HEADER_BYTES:
            self.ends = [before]
        self.ends.append(size)

    def paths(self) -> list[Path]:
        return self.segments.paths()

    def read(self) -> list[Logged]:
        reader = LogReader(self.segments, REAL, STORAGE_ID)
        reader.check()
        return [logged for group in reader.groups() for logged in group.records()]

    def torn(self) -> bool:
        return LogReader(self.segments, REAL, STORAGE_ID).check().torn is not None


@pytest.fixture
def wal(tmp_path: Path) -> Wal:
    made = Wal(tmp_path / "wal")
    for number in range(3):
        made.append(put(file_id(number), bytes([number]) * 20), change(ChangeKind.SET, file_id(number), revision=2))
    return made


def test_open_on_torn_group_at_every_byte(wal: Wal) -> None:
    """Cut anywhere within the last group: what came before it is there, and nothing of it."""
    (path,) = wal.paths()
    whole = path.read_bytes()
    for cut in range(wal.ends[-2], wal.ends[-1]):
        path.write_bytes(whole[:cut])
        padding = not any(whole[cut:])
        assert len(wal.read()) == (6 if padding else 4), cut
        assert wal.torn() is (cut > wal.ends[-2] and not padding)
    path.write_bytes(whole)
    assert len(wal.read()) == 6


def test_open_on_last_group_whose_pages_did_not_all_arrive(wal: Wal) -> None:
    """The length is right, and from any byte on, or up to any byte, there are zeroes or what lay there before."""
    (path,) = wal.paths()
    whole = path.read_bytes()
    start, end = wal.ends[-2:]
    for at in range(start, end, 7):
        for filler in (b"\0", b"\xa5", whole[:1]):
            for torn in (
                whole[:at] + filler * (end - at),
                whole[:start] + filler * (at - start) + whole[at:],
            ):
                path.write_bytes(torn)
                same = torn.rstrip(filler + b"\0") == whole.rstrip(filler + b"\0")
                assert len(wal.read()) in ((4, 6) if same else (4,)), at


def test_flipped_bit_in_the_last_group_is_a_torn_tail(wal: Wal) -> None:
    (path,) = wal.paths()
    whole = path.read_bytes()
    padding = 0
    for bit in range(8 * wal.ends[-2], 8 * wal.ends[-1], 3):
        path.write_bytes(flipped(whole, bit))
        if len(wal.read()) == 6:
            padding += 1
    assert padding <= 7 * 8 // 3 + 1  # zeroes behind a group say nothing


def test_damage_before_a_whole_later_group_refuses_to_start(wal: Wal) -> None:
    """Every single bit of an older group."""
    (path,) = wal.paths()
    whole = path.read_bytes()
    end = len(whole[: wal.ends[1]].rstrip(b"\0"))  # of the first group, but for its padding, which says nothing
    for bit in range(8 * wal.ends[0], 8 * end):
        path.write_bytes(flipped(whole, bit))
        with pytest.raises(LogDamaged, match="Nothing was changed") as caught:
            wal.read()
        assert (caught.value.path, caught.value.offset) == (path, wal.ends[0])
        assert path.read_bytes() == flipped(whole, bit)


def test_damaged_segment_header_refuses_to_start(wal: Wal) -> None:
    (path,) = wal.paths()
    whole = path.read_bytes()
    for bit in range(8 * SEGMENT_HEADER_BYTES):
        path.write_bytes(flipped(whole, bit))
        with pytest.raises(LogDamaged) as caught:
            wal.read()
        assert caught.value.offset == 0


def test_lost_middle_group_refuses_to_start(wal: Wal) -> None:
    (path,) = wal.paths()
    whole = path.read_bytes()
    path.write_bytes(whole[: wal.ends[1]] + whole[wal.ends[2] :])
    with pytest.raises(LogDamaged, match="group 3, not 2"):
        wal.read()


def test_repeated_group_is_not_taken_twice(wal: Wal) -> None:
    """An older group once more, behind the last: whatever put it there, nobody was told of it."""
    (path,) = wal.paths()
    whole = path.read_bytes()
    path.write_bytes(whole + whole[wal.ends[0] : wal.ends[1]])
    assert len(wal.read()) == 6
    assert wal.torn()


@pytest.fixture
def segments(wal: Wal) -> list[Path]:
    """Three of them, with two groups each."""
    (first,) = wal.paths()
    first.write_bytes(first.read_bytes())
    for number in range(3, 7):
        if number % 2:
            wal.log.rotate()
        wal.append(put(file_id(number)))
    assert len(wal.read()) == 10
    return wal.paths()


@pytest.mark.parametrize("number", [1])
def test_missing_segment_refuses_to_start(wal: Wal, segments: list[Path], number: int) -> None:
    segments[number].unlink()
    with pytest.raises(LogDamaged, match="does not follow"):
        wal.read()


def test_first_segment_may_be_gone_and_the_last_one_may_not_have_been_begun(wal: Wal, segments: list[Path]) -> None:
    """A checkpoint removes the oldest first."""
    segments[0].unlink()
    assert [logged.sequence for logged in wal.read()] == [7, 8, 9, 10]


def test_reordered_segments_refuse_to_start(wal: Wal, segments: list[Path]) -> None:
    one, two = segments[0].read_bytes(), segments[1].read_bytes()
    segments[0].write_bytes(two)
    segments[1].write_bytes(one)
    with pytest.raises(LogDamaged):
        wal.read()


def test_torn_segment_before_another_refuses_to_start(wal: Wal, segments: list[Path]) -> None:
    content = segments[1].read_bytes()
    for cut in (0, 1, SEGMENT_HEADER_BYTES - 1, SEGMENT_HEADER_BYTES, SEGMENT_HEADER_BYTES + 9, len(content) - 9):
        segments[1].write_bytes(content[:cut])
        with pytest.raises(LogDamaged):
            wal.read()


@pytest.mark.parametrize("storage_id", [STORAGE_ID, "se-other"])
def test_foreign_segment_refuses_to_start(tmp_path: Path, wal: Wal, segments: list[Path], storage_id: str) -> None:
    """Of another element, or of another log of this one."""
    other = tmp_path / "other"
    other.mkdir()
    log = Log(Segments(other, REAL, Durable(REAL)), REAL, Durable(REAL), storage_id, 7)
    log.begin()
    for number in range(4):
        log.append([put(file_id(number))])
    (path,) = other.iterdir()
    shutil.copy(path, segments[1])
    with pytest.raises(LogDamaged):
        wal.read()


@pytest.mark.parametrize("size", [0, 1, 60, SEGMENT_HEADER_BYTES - 1, SEGMENT_HEADER_BYTES])
def test_segment_that_was_just_being_made_is_a_torn_tail(wal: Wal, size: int) -> None:
    (first,) = wal.paths()
    (first.parent / f"{4:016x}.wal").write_bytes(bytes(size))
    assert len(wal.read()) == 6
    assert wal.torn()


def test_body_that_contains_this_very_log_is_a_body(wal: Wal) -> None:
    """Whoever got hold of the log, and uploads it: behind a torn group it must not look like a later one."""
    (path,) = wal.paths()
    copied = path.read_bytes()
    wal.append(put(file_id(9), copied))
    assert len(wal.read()) == 7
    whole = path.read_bytes()
    for cut in range(wal.ends[-2], len(whole), 97):
        path.write_bytes(whole[:cut])
        assert len(wal.read()) == 6
    path.write_bytes(flipped(whole, 8 * wal.ends[-2] + 3))  # its header is damaged, its content all there
    assert len(wal.read()) == 6


def test_body_that_contains_a_whole_other_log_is_a_body(tmp_path: Path, wal: Wal) -> None:
    other = Wal(tmp_path / "other")
    for number in range(50):
        other.append(put(file_id(number)))
    wal.append(put(file_id(9), other.paths()[0].read_bytes()))
    (path,) = wal.paths()
    path.write_bytes(flipped(path.read_bytes(), 8 * wal.ends[-2] + 3))
    assert len(wal.read()) == 6


def test_record_of_a_kind_that_nobody_knows_refuses_to_start(wal: Wal) -> None:
    """Written by a newer element: its checksums are right, and what it means is not known."""
    wal.log.append([Change(99, ONE, b"{}")])  # type: ignore[arg-type]
    with pytest.raises(LogDamaged, match="no known kind"):
        wal.read()


NOT_UNDERSTOOD = {
    "a later schema": Change(ChangeKind.SET, ONE, b'{"schema_version": 2}'),
    "no record": Change(ChangeKind.PURGE, ONE, b"{"),
    "another file's": Change(ChangeKind.SET, ONE, change(ChangeKind.SET, file_id(1)).record),
    "a mode": Change(ChangeKind.MODE, THE_ELEMENT, b'{"mode": "later"}'),
    "an agreement": Change(ChangeKind.STAGED, ONE, b"[]"),
    "a name": Change(ChangeKind.PUT, ONE, put().record, staged="../etc"),
}


@pytest.mark.parametrize("later", NOT_UNDERSTOOD.values(), ids=NOT_UNDERSTOOD.keys())
def test_record_that_is_not_understood_refuses_to_start_and_nothing_is_changed(tmp_path: Path, later: Change) -> None:
    """Written by a newer element, before this one was put back: what comes before it must not be applied either."""
    root = Root(tmp_path / "root")
    root.open()
    root.append(put(file_id(2)))
    (segment,) = root.segments()
    offset = segment.stat().st_size
    root.append(later)
    root.close()
    before = {path: path.read_bytes() for path in root.path.rglob("*") if path.is_file()}
    with pytest.raises(LogDamaged, match="not understood") as caught:
        root.again()
    assert (caught.value.path, caught.value.offset) == (segment, offset)
    assert {path: path.read_bytes() for path in root.path.rglob("*") if path.is_file()} == before
    found = Verification(root.path, REAL, STORAGE_ID).run(lambda *_: None)
    assert [(problem.kind, problem.path) for problem in found.problems] == [("log damaged", f"wal/{segment.name}")]


def test_clients_hear_that_the_log_is_damaged_and_the_report_says_where(tmp_path: Path) -> None:
    root = Root(tmp_path / "root")
    root.open()
    (segment,) = root.segments()
    root.close()
    segment.write_bytes(flipped(segment.read_bytes(), 40) + bytes(10))
    with pytest.raises(LogDamaged) as caught:
        root.again()
    assert caught.value.message == "The write-ahead log is damaged; nothing was changed. See the element's log."
    assert segment.name in caught.value.detail
    assert root.reports == [
        ("the log is damaged: this is no segment of a log, or of another version", f"wal/{segment.name} at byte 0")
    ]

"""Is the disk after a cut one that a real disk could hold? No root and no mount: only the log and the images."""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path
from random import Random

import pytest
from power_cut.cuts import moments
from power_cut.disklog import DiskLog, Entry, LogWriter
from power_cut.images import SECTORS, FileImage, Overlay, Tail, Timeline

SIZE = 64 * 4096
PAGE = 4096


@pytest.fixture
def image(tmp_path: Path) -> Iterator[FileImage]:
    path = tmp_path / "disk.img"
    path.write_bytes(bytes(SIZE))
    made = FileImage(path)
    yield made
    made.close()


def logged(path: Path, *steps: tuple[int, bytes] | None) -> DiskLog:
    """None is a flush."""
    writer = LogWriter(path, 1 << 30)
    for step in steps:
        writer.flush() if step is None else writer.write(*step)
        time.monotonic_ns()
    writer.close()
    return DiskLog(path)


def test_log_keeps_order_times_and_bytes(tmp_path: Path) -> None:
    before = time.monotonic_ns()
    with logged(tmp_path / "log", (0, b"ab"), None, (4096, b"c")) as log:
        assert [(entry.offset, entry.is_flush) for entry in log.entries] == [(0, False), (0, True), (4096, False)]
        assert [log.data(entry) for entry in log.entries if not entry.is_flush] == [b"ab", b"c"]
        times = [entry.time for entry in log.entries]
        assert before <= times[0] <= times[1] <= times[2] <= time.monotonic_ns()


def test_log_that_is_cut_short_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "log"
    path.write_bytes(bytes(24))
    with pytest.raises(ValueError, match="not an entry"):
        DiskLog(path)


def test_full_log_is_an_error_of_the_disk(tmp_path: Path) -> None:
    writer = LogWriter(tmp_path / "log", 100)
    writer.write(0, bytes(60))
    with pytest.raises(OSError, match="full"):
        writer.write(0, bytes(60))
    writer.close()


def test_overlay_reads_as_a_file_would_and_leaves_what_is_below_alone(image: FileImage) -> None:
    chance = Random(1)
    model = bytearray(SIZE)
    image.write(5000, b"below")
    model[5000:5005] = b"below"
    overlay = Overlay(image)
    for _ in range(500):
        offset = chance.randrange(SIZE - 1)
        data = chance.randbytes(chance.randint(1, min(3 * PAGE, SIZE - offset)))
        overlay.write(offset, data)
        model[offset : offset + len(data)] = data
        start = chance.randrange(SIZE - 1)
        length = chance.randint(1, SIZE - start)
        assert overlay.read(start, length) == model[start : start + length]
    assert image.read(5000, 5) == b"below"
    assert image.read(5005, 1000) == bytes(1000)


def test_what_a_flush_covers_is_there_and_the_rest_is_left_to_chance(tmp_path: Path, image: FileImage) -> None:
    with logged(tmp_path / "log", (0, b"one"), None, (0, b"two"), (PAGE, b"three"), None, (0, b"four")) as log:
        at = [entry.time for entry in log.entries]
        timeline = Timeline(log, image)
        assert timeline.advance(at[0] - 1) == []
        assert timeline.advance(at[1] - 1) == [(0, b"one")]
        assert image.read(0, 3) == bytes(3)
        assert timeline.advance(at[1]) == []
        assert image.read(0, 3) == b"one"
        assert timeline.advance(at[3]) == [(0, b"two"), (PAGE, b"three")]
        assert image.read(0, 3) == b"one"
        assert timeline.advance(at[5]) == [(0, b"four")]
        assert (image.read(0, 3), image.read(PAGE, 5)) == (b"two", b"three")
        with pytest.raises(ValueError, match="back"):
            timeline.advance(at[0])


def test_flushes_at_one_moment_with_writes_keep_their_order(tmp_path: Path, image: FileImage) -> None:
    """A coarse clock must not let a flush cover what came after it."""
    with logged(tmp_path / "log", (0, b"a"), None, (1, b"b")) as log:
        log.entries[:] = [Entry(7, entry.offset, entry.length, entry.at) for entry in log.entries]
        assert Timeline(log, image).advance(7) == [(1, b"b")]
        assert image.read(0, 2) == b"a\0"


@pytest.mark.parametrize("sector", SECTORS)
def test_half_a_tail_is_torn_in_whole_sectors_of_what_was_written(sector: int) -> None:
    chance = Random(2)
    writes = [(PAGE * number, chance.randbytes(2 * PAGE)) for number in range(1, 400, 2)]
    left = list(Tail(0.5, sector).pieces(writes, chance))
    assert 0.4 < sum(len(data) for _, data in left) / sum(len(data) for _, data in writes) < 0.6
    for offset, data in left:
        written = next((start, whole) for start, whole in writes if start <= offset < start + len(whole))
        assert data == written[1][offset - written[0] :][: len(data)]
        assert len(data) == 2 * PAGE or (len(data) == sector and offset % sector == 0)
    assert any(len(data) == sector for _, data in left)


def test_all_or_nothing_of_a_tail() -> None:
    chance = Random(3)
    writes = [(0, b"a"), (PAGE, b"b"), (0, b"c")]
    assert list(Tail(1.0, 512).pieces(writes, chance)) == writes
    assert list(Tail(0.0, 512).pieces(writes, chance)) == []


def test_superblock_is_never_torn() -> None:
    chance = Random(4)
    for _ in range(200):
        assert all(len(data) == PAGE for _, data in Tail(0.5, 512).pieces([(0, bytes(PAGE))], chance))


def test_moments_are_in_order_and_meet_answers_and_flushes() -> None:
    answered = [(time, time + 500) for time in range(1000, 8000, 7)]
    flushes = list(range(1003, 9000, 11))
    found = moments(400, answered, flushes, (1000, 9000), Random(5))
    assert found == sorted(found)
    assert len(found) == 400
    assert sum(moment in {answer for _, answer in answered} for moment in found) >= 50
    assert sum(moment + 1 in set(flushes) for moment in found) >= 30


def test_moments_of_an_idle_element_are_refused() -> None:
    with pytest.raises(ValueError, match="nothing"):
        moments(3, [], [5], (0, 10), Random(6))

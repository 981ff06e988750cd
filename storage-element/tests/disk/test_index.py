"""What every index does, in a file or in memory."""

from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from uuid import UUID

import pytest
from artstore_core.files import FileStatus
from element_index import EPOCH, NOW, STORAGE_ID, Place, feed, leaf_through, place, record, walk
from storage_element.disk.index import Entry, SqliteIndex

ACTIVE, EXPIRED, DAMAGED, DELETED = FileStatus.ACTIVE, FileStatus.EXPIRED, FileStatus.DAMAGED, FileStatus.DELETED
SOON = NOW + timedelta(days=1)
LATER = NOW + timedelta(days=2)


@pytest.fixture(params=["file", "memory"])
def at(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Place]:
    with place(tmp_path / "index.sqlite" if request.param == "file" else None) as made:
        yield made


def ids(*numbers: int) -> list[UUID]:
    return [UUID(int=number) for number in numbers]


def test_a_new_index_is_empty(at: Place) -> None:
    index = at.reopen()
    assert (index.epoch, index.applied, index.trimmed, index.used_bytes) == (EPOCH, 0, 0, 0)
    assert dict(index.counts) == dict.fromkeys(FileStatus, 0)
    assert index.page(limit=10, offset=0, after=None, status=None, now=NOW) == ([], 0, False)
    assert index.changes(0, 10, NOW) == ([], False)
    assert index.get(UUID(int=1)) is None
    assert index.to_purge(NOW, 10) == []
    assert index.shard("001") == {}


def test_pages_are_in_the_order_of_ids_whatever_the_order_of_arrival(at: Place) -> None:
    at.index.apply([Entry(number, record(file)) for number, file in enumerate((30, 10, 1 << 127, 20), 1)])
    expected = ids(10, 20, 30, 1 << 127)
    for limit in (1, 2, 3, 10):
        assert walk(at.index, limit) == leaf_through(at.index, limit) == expected


def test_a_walk_by_key_misses_nothing_when_files_are_added_behind_it(at: Place) -> None:
    at.index.apply([Entry(number, record(file)) for number, file in enumerate((10, 20, 30), 1)])
    items, _, _ = at.index.page(limit=1, offset=0, after=None, status=None, now=NOW)
    at.index.apply([Entry(4, record(5))])
    items, total, more = at.index.page(limit=2, offset=7, after=items[0].file_id, status=None, now=NOW)
    assert [file.file_id for file in items] == ids(20, 30)
    assert (total, more) == (4, False)


def test_a_page_without_items_still_says_how_many_there_are(at: Place) -> None:
    at.index.apply([Entry(1, record(1))])
    assert at.index.page(limit=0, offset=0, after=None, status=None, now=NOW) == ([], 1, True)
    assert at.index.page(limit=5, offset=9, after=None, status=None, now=NOW) == ([], 1, False)


def test_a_file_expires_by_the_clock_with_nothing_written(at: Place) -> None:
    at.index.apply([Entry(1, record(1)), Entry(2, record(2, expires_at=SOON)), Entry(3, record(3, expires_at=LATER))])
    assert walk(at.index, 10, EXPIRED) == []
    assert walk(at.index, 1, ACTIVE, SOON) == leaf_through(at.index, 1, ACTIVE, SOON) == ids(1, 3)
    assert walk(at.index, 1, EXPIRED, LATER) == leaf_through(at.index, 1, EXPIRED, LATER) == ids(2, 3)
    items, _, _ = at.index.page(limit=5, offset=0, after=None, status=None, now=SOON)
    assert [file.status for file in items] == [ACTIVE, EXPIRED, ACTIVE]
    assert feed(at.index, now=SOON) == [(1, 1, ACTIVE), (2, 2, EXPIRED), (3, 3, ACTIVE)]
    assert at.index.counts[ACTIVE] == 3


def test_stored_statuses_are_listed_and_counted(at: Place) -> None:
    at.index.apply(
        [
            Entry(1, record(1, size=5)),
            Entry(2, record(2, size=7, status=DAMAGED)),
            Entry(3, record(3, size=11, status=DELETED)),
            Entry(4, record(4, size=13, status=EXPIRED)),
            Entry(5, record(5, size=17, expires_at=NOW, status=DAMAGED)),
        ]
    )
    index = at.reopen()
    for status, expected in {ACTIVE: ids(1), DAMAGED: ids(2, 5), DELETED: ids(3), EXPIRED: ids(4)}.items():
        assert walk(index, 1, status) == leaf_through(index, 1, status) == expected
        assert index.counts[status] == len(expected)
    assert index.used_bytes == 53
    index.apply([Entry(6, record(2, size=3))])
    assert index.used_bytes == 49
    assert walk(index, 9, DAMAGED) == ids(5)


def test_the_same_entries_again_change_nothing(at: Place) -> None:
    entries = [Entry(1, record(1, size=5)), Entry(2, record(2)), Entry(3, record(1, size=9))]
    at.index.apply(entries)
    at.index.apply(entries)
    at.index.apply(entries[:1])
    assert feed(at.reopen()) == [(2, 2, ACTIVE), (3, 1, ACTIVE)]
    assert at.index.used_bytes == 10


def test_an_older_entry_is_ignored_in_its_own_batch_too(at: Place) -> None:
    at.index.apply([Entry(9, record(1, size=9)), Entry(5, record(1, size=5))])
    at.index.apply([Entry(7, record(1, size=7))])
    assert at.index.used_bytes == 9
    assert at.index.applied == 9


def test_applied_rises_with_changes_that_concern_no_file(at: Place) -> None:
    at.index.apply([Entry(1, record(1))], up_to=4)
    assert at.reopen().applied == 4
    at.index.apply([], up_to=6)
    at.index.apply([], up_to=2)
    assert at.reopen().applied == 6


def test_the_feed_has_each_file_once_as_it_is_now(at: Place) -> None:
    at.index.apply([Entry(number, record(number % 3)) for number in range(1, 8)])
    assert [number for number, _, _ in feed(at.index, limit=1)] == [5, 6, 7]
    items, more = at.index.changes(0, 2, NOW)
    assert ([number for number, _ in items], more) == ([5, 6], True)
    assert at.index.changes(7, 5, NOW) == ([], False)


def test_a_purged_file_is_in_the_feed_and_nowhere_else(at: Place) -> None:
    at.index.apply([Entry(1, record(1, size=5, expires_at=NOW)), Entry(2, record(2, size=7))])
    assert at.index.shard("001")
    at.index.apply([Entry(3, record(1, size=5, expires_at=NOW), purged=True)])
    index = at.reopen()
    assert feed(index) == [(2, 2, ACTIVE), (3, 1, DELETED)]
    assert walk(index, 5) == leaf_through(index, 5) == ids(2)
    assert index.get(UUID(int=1)) is None
    assert index.shard("001") == {}
    assert index.to_purge(NOW, 5) == []
    assert (index.used_bytes, sum(index.counts.values())) == (7, 1)


def test_a_purged_file_may_come_again(at: Place) -> None:
    at.index.apply([Entry(1, record(1)), Entry(2, record(1), purged=True)])
    at.index.apply([Entry(3, record(1, size=4))])
    assert feed(at.reopen()) == [(3, 1, ACTIVE)]
    assert at.index.used_bytes == 4
    assert list(at.index.shard("001")) == ids(1)


def test_tombstones_are_dropped_by_when_they_were_made(at: Place) -> None:
    at.index.apply([Entry(number, record(number)) for number in (1, 2, 3)])
    at.index.apply([Entry(4, record(1), purged=True)])
    at.advance(hours=1)
    at.index.apply([Entry(5, record(2), purged=True)])
    assert at.index.trim(NOW) == 0
    assert at.index.trim(at.time) == 1
    index = at.reopen()
    assert (index.trimmed, index.applied) == (4, 5)
    assert feed(index) == [(3, 3, ACTIVE), (5, 2, DELETED)]


def test_a_replay_from_before_a_dropped_tombstone_brings_nothing_back(at: Place) -> None:
    entries = [Entry(1, record(1)), Entry(2, record(1), purged=True), Entry(3, record(2))]
    at.index.apply(entries)
    at.advance(hours=1)
    assert at.index.trim(at.time) == 1
    for entry in entries:
        at.index.apply([entry])
    assert feed(at.index) == [(3, 2, ACTIVE)]


def test_deleted_and_outlived_files_are_to_be_purged(at: Place) -> None:
    at.index.apply(
        [
            Entry(1, record(1, expires_at=LATER)),
            Entry(2, record(2, expires_at=SOON)),
            Entry(3, record(3)),
            Entry(4, record(4, status=DELETED, expires_at=SOON)),
            Entry(5, record(5, status=DAMAGED, expires_at=SOON)),
        ]
    )
    assert at.index.to_purge(NOW, 9) == ids(4)
    assert sorted(at.index.to_purge(SOON, 9)) == ids(2, 4, 5)
    assert at.index.to_purge(SOON, 1) == ids(4)
    assert len(at.index.to_purge(LATER, 3)) == 3
    assert at.index.to_purge(LATER, 0) == []


def test_a_shard_holds_the_files_whose_ids_end_in_it(at: Place) -> None:
    at.index.apply([Entry(1, record(0x1ABC)), Entry(2, record(0x2ABC)), Entry(3, record(0xABD))])
    assert list(at.index.shard("abc")) == ids(0x1ABC, 0x2ABC)
    at.index.apply([Entry(6, record(0x3ABC, size=8)), Entry(7, record(0x1ABC, size=9))])
    assert len(at.index.shard("abc")) == 3
    at.index.apply([Entry(4, record(0x4ABC))])  # late: what came after it is known already
    found = at.reopen().shard("abc")
    assert {file_id.int: known.size for file_id, known in found.items()} == {
        0x1ABC: 9,
        0x2ABC: 1,
        0x3ABC: 8,
        0x4ABC: 1,
    }


def test_a_record_comes_back_whole_with_fields_that_nobody_knows(at: Place) -> None:
    written = record(1, tags=["a", "б"], metadata={"deep": {"n": 1.5}}, expires_at=SOON).model_copy(
        update={"from_the_future": {"x": [1, None]}}
    )
    at.index.apply([Entry(1, written)])
    assert at.reopen().get(UUID(int=1)) == written
    assert at.index.shard("001") == {UUID(int=1): written}
    items, _, _ = at.index.page(limit=1, offset=0, after=None, status=None, now=NOW)
    assert items == [written.public()]


def test_a_record_that_exists_already_is_kept_as_it_is(at: Place) -> None:
    text = record(1, size=6).model_dump_json(indent=2)
    at.index.apply([Entry(1, record(1, size=6), record=text), Entry(2, record(2, size=6), record=text.encode())])
    assert at.index.get(UUID(int=1)) == record(1, size=6)


def test_a_fill_numbers_what_the_records_say(at: Place) -> None:
    index = SqliteIndex.create(at.path and at.path.with_name("other"), STORAGE_ID, UUID(int=2))
    try:
        assert index.fill(record(number, size=2) for number in (3, 1, 2)) == 3
        assert feed(index) == [(1, 3, ACTIVE), (2, 1, ACTIVE), (3, 2, ACTIVE)]
        assert (index.epoch, index.applied, index.used_bytes) == (UUID(int=2), 3, 6)
        assert list(index.shard("002")) == ids(2)
        with pytest.raises(ValueError, match="empty"):
            index.fill(())
    finally:
        index.close()


def test_batches_of_any_size_are_looked_up(at: Place) -> None:
    for size in (1, 2, 3, 255, 256, 257, 600):
        start = at.index.applied
        at.index.apply([Entry(start + number, record(number, size=size)) for number in range(1, size + 1)])
        assert at.index.used_bytes == size * size
        assert sum(at.index.counts.values()) == size

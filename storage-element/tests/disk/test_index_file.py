"""An index in a file: what it does when the file is not what it was, and when many ask at once."""

from __future__ import annotations

import os
import sqlite3
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, contextmanager
from pathlib import Path
from uuid import UUID, uuid4

import pytest
from artstore_core.errors import StorageUnavailable
from artstore_core.files import Attributes, FileStatus
from element_index import EPOCH, NOW, STORAGE_ID, Place, feed, fill, leaf_through, place, record, walk
from storage_element.disk.index import Entry, IndexDoubtful, Limits, SqliteIndex, queries
from storage_element.disk.index.schema import SCHEMA_VERSION, wal_of


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "index.sqlite"


@pytest.fixture
def at(path: Path) -> Iterator[Place]:
    with place(path) as made:
        yield made


def statement(path: Path, sql: str) -> None:
    with closing(sqlite3.connect(path, isolation_level=None)) as connection:
        connection.execute(sql)


def overwrite(path: Path, content: bytes, offset: int) -> None:
    with path.open("r+b") as file:
        file.seek(offset)
        file.write(content)


WAYS_TO_DOUBT: dict[str, Callable[[Path], object]] = {
    "missing": lambda path: path.unlink(),
    "empty": lambda path: os.truncate(path, 0),
    "no database": lambda path: path.write_bytes(b"{}" * 4096),
    "cut short": lambda path: os.truncate(path, 4096),
    "its first page zeroed": lambda path: overwrite(path, bytes(4096), 0),
    "another program's": lambda path: statement(path, "PRAGMA application_id = 1"),
    "another version's": lambda path: statement(path, f"PRAGMA user_version = {SCHEMA_VERSION + 1}"),
    "another element's": lambda path: statement(path, "UPDATE state SET storage_id = 'se-other-1'"),
    "without its state": lambda path: statement(path, "DELETE FROM state"),
    "without a table": lambda path: statement(path, "DROP TABLE state"),
}


@pytest.mark.parametrize("way", WAYS_TO_DOUBT)
def test_an_index_that_is_not_this_elements_whole_one_is_doubtful_and_can_be_replaced(path: Path, way: str) -> None:
    fill(path, 100)
    WAYS_TO_DOUBT[way](path)
    with pytest.raises(IndexDoubtful):
        SqliteIndex.open(path, STORAGE_ID)
    fill(path, 3)
    with closing(SqliteIndex.open(path, STORAGE_ID)) as index:
        assert walk(index, 10) == [UUID(int=1), UUID(int=2), UUID(int=3)]


def test_an_index_whose_filling_did_not_end_is_doubtful(path: Path) -> None:
    def broken() -> Iterator[Attributes]:
        yield from (record(number) for number in range(1, 20_000))
        raise KeyboardInterrupt

    with closing(SqliteIndex.create(path, STORAGE_ID, EPOCH)) as index, pytest.raises(KeyboardInterrupt):
        index.fill(broken())
    with pytest.raises(IndexDoubtful, match="not finished"):
        SqliteIndex.open(path, STORAGE_ID)


def test_a_journal_that_was_left_behind_does_not_get_into_a_new_index(path: Path) -> None:
    with place(path) as old:
        old.index.apply([Entry(number, record(number)) for number in range(1, 100)])
        left = wal_of(path).read_bytes()
    wal_of(path).write_bytes(left)
    fill(path, 2)
    with closing(SqliteIndex.open(path, STORAGE_ID)) as index:
        assert len(leaf_through(index, 10)) == 2


def test_damage_that_is_met_later_makes_the_index_doubtful_for_good(path: Path) -> None:
    fill(path, 2000)
    overwrite(path, b"\xff" * (path.stat().st_size // 2), 4096 * 3)
    with closing(SqliteIndex.open(path, STORAGE_ID)) as index:
        with pytest.raises(IndexDoubtful):
            feed(index)
        assert not path.exists()
    with pytest.raises(IndexDoubtful):
        SqliteIndex.open(path, STORAGE_ID)


def test_a_row_that_holds_no_record_makes_the_index_doubtful(path: Path) -> None:
    fill(path, 2)
    statement(path, "UPDATE files SET record = x'7b' WHERE sequence = 2")
    with closing(SqliteIndex.open(path, STORAGE_ID)) as index:
        assert index.get(UUID(int=1)) == record(1)
        with pytest.raises(IndexDoubtful):
            index.get(UUID(int=2))
    assert not path.exists()


def test_an_index_that_somebody_else_has_is_not_replaced(path: Path) -> None:
    fill(path, 2)
    with closing(sqlite3.connect(path, isolation_level=None)) as other:
        other.execute("PRAGMA locking_mode = EXCLUSIVE")
        other.execute("UPDATE state SET finished = 1")
        with pytest.raises(StorageUnavailable) as caught:
            SqliteIndex.open(path, STORAGE_ID, limits=Limits(busy_seconds=0.01))
        assert not isinstance(caught.value, IndexDoubtful)


def test_a_closed_index_says_that_it_cannot_be_used_now(at: Place) -> None:
    at.index.apply([Entry(1, record(1))])
    at.index.close()
    at.index.close()
    uses: list[Callable[[], object]] = [
        lambda: at.index.get(UUID(int=1)),
        lambda: at.index.apply([Entry(2, record(2))]),
        at.index.flush,
    ]
    for use in uses:
        with pytest.raises(StorageUnavailable) as caught:
            use()
        assert not isinstance(caught.value, IndexDoubtful)
    assert at.path is not None
    assert at.path.exists()


def test_a_flush_leaves_everything_in_the_one_file(at: Place, tmp_path: Path) -> None:
    at.index.apply([Entry(number, record(number)) for number in range(1, 50)])
    at.index.flush()
    assert at.path is not None
    copy = tmp_path / "copy.sqlite"
    copy.write_bytes(at.path.read_bytes())
    with closing(SqliteIndex.open(copy, STORAGE_ID)) as index:
        assert index.applied == 49
        assert len(leaf_through(index, 20)) == 49


def test_the_journal_stays_small_without_a_flush(path: Path) -> None:
    limit = 256 * 1024
    with place(path, Limits(max_wal_bytes=limit)) as at:
        for start in range(0, 4000, 10):
            at.index.apply([Entry(start + number, record(start + number)) for number in range(1, 11)])
            assert wal_of(path).stat().st_size < 2 * limit


@contextmanager
def reading_elsewhere(path: Path) -> Iterator[None]:
    with closing(sqlite3.connect(path, isolation_level=None)) as other:
        other.execute("BEGIN")
        other.execute("SELECT * FROM state").fetchall()
        yield


def test_a_reader_that_stays_holds_up_neither_writing_nor_a_flush(path: Path) -> None:
    with place(path, Limits(max_wal_bytes=64 * 1024, busy_seconds=0.01)) as at:
        at.index.apply([Entry(1, record(1))])
        with reading_elsewhere(path):
            for number in range(2, 100):
                at.index.apply([Entry(number, record(number))])
            at.index.flush()
            assert len(leaf_through(at.index, 100)) == 99
        at.index.flush()
        assert wal_of(path).stat().st_size == 0


def test_readers_go_on_while_somebody_writes(at: Place) -> None:
    at.index.apply([Entry(1, record(1))])
    assert at.path is not None
    with closing(sqlite3.connect(at.path, isolation_level=None)) as other:
        other.execute("BEGIN IMMEDIATE")
        other.execute("UPDATE state SET applied = 99")
        assert walk(at.index, 10) == [UUID(int=1)]
        assert feed(at.index) == [(1, 1, FileStatus.ACTIVE)]
        assert at.index.get(UUID(int=1)) is not None
        other.execute("ROLLBACK")


def test_every_page_is_of_one_moment_while_files_come_and_go(at: Place) -> None:
    """Each batch replaces one file by two: whoever saw half of it would count differently from what he lists."""
    stop = threading.Event()

    def look() -> int:
        pages = 0
        while not stop.is_set():
            items, total, _ = at.index.page(limit=10_000, offset=0, after=None, status=FileStatus.ACTIVE, now=NOW)
            assert len(items) == total
            sequences = [sequence for sequence, _, _ in feed(at.index, limit=50)]
            assert sequences == sorted(set(sequences))
            at.index.shard("001")
            pages += 1
        return pages

    with ThreadPoolExecutor(6) as threads:
        looking = [threads.submit(look) for _ in range(6)]  # more than there are connections to read with
        for number in range(1, 300):
            at.index.apply(
                [
                    Entry(3 * number, record(number, status=FileStatus.DELETED)),
                    Entry(3 * number + 1, record(number + 1)),
                    Entry(3 * number + 2, record(10_000 + number)),
                ]
            )
        stop.set()
        assert all(one.result() > 0 for one in looking)


def test_listings_are_read_from_covering_indexes_alone(at: Place) -> None:
    """An offset of 900,000 may step over so many entries of an index, but not over so many records."""
    assert at.path is not None
    values = {"after": b"", "status": 3, "now": 0, "limit": 1, "offset": 0}
    with closing(sqlite3.connect(at.path)) as connection:
        for status in (None, *FileStatus):
            plan = [row[3] for row in connection.execute(f"EXPLAIN QUERY PLAN {queries.page_of(status)}", values)]
            touching = [step for step in plan if "files" in step and "INTEGER PRIMARY KEY" not in step]
            assert touching
            assert all("COVERING INDEX" in step for step in touching), plan


def test_two_indexes_are_told_apart_by_their_epoch(path: Path) -> None:
    first, second = uuid4(), uuid4()
    for epoch in (first, second):
        with closing(SqliteIndex.create(path, STORAGE_ID, epoch)) as index:
            index.fill(())
        with closing(SqliteIndex.open(path, STORAGE_ID)) as index:
            assert index.epoch == epoch

"""An index in a file, when the disk is full or the process is killed."""

from __future__ import annotations

import itertools
import os
import signal
import sqlite3
import subprocess
import sys
from collections.abc import Iterator
from contextlib import closing, suppress
from pathlib import Path
from uuid import UUID

import pytest
from artstore_core.errors import StorageFull
from artstore_core.files import FileStatus
from element_index import STORAGE_ID, feed, fill, leaf_through, place, record
from storage_element.disk.index import Entry, IndexDoubtful, SqliteIndex
from storage_element.disk.index.errors import failure_of


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "index.sqlite"


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """8 MiB. Needs root."""
    path = tmp_path / "small"
    path.mkdir()
    mounted = subprocess.run(["mount", "-t", "tmpfs", "-o", "size=8m", "none", path], capture_output=True, check=False)
    if mounted.returncode:
        pytest.skip("cannot mount a small disk here")
    try:
        yield path
    finally:
        subprocess.run(["umount", path], check=True)


def fill_up(path: Path) -> None:
    with path.open("ab", buffering=0) as file:
        for size in (65536, 4096, 1):
            with suppress(OSError):
                while True:
                    file.write(bytes(size))


def test_a_full_disk_takes_nothing_in_part(small_disk: Path) -> None:
    with place(small_disk / "index.sqlite") as at:
        at.index.apply([Entry(number, record(number)) for number in range(1, 1000)])
        fill_up(small_disk / "fill")
        before = at.index.used_bytes
        with pytest.raises(StorageFull):
            for number in itertools.count(1000):
                at.index.apply([Entry(number, record(number))])
        with suppress(StorageFull):
            at.index.flush()
        last = at.index.applied
        assert at.index.used_bytes == before + last - 999 == len(leaf_through(at.index, 500))
        (small_disk / "fill").unlink()
        at.index.apply([Entry(last + 1, record(last + 1))])
        assert len(leaf_through(at.reopen(), 500)) == last + 1


def test_an_index_opens_on_a_full_disk(small_disk: Path) -> None:
    path = small_disk / "index.sqlite"
    fill(path, 500)
    fill_up(small_disk / "fill")
    with closing(SqliteIndex.open(path, STORAGE_ID)) as index:
        assert len(leaf_through(index, 100)) == 500
        with pytest.raises(StorageFull):
            index.apply([Entry(number, record(number)) for number in range(501, 3000)])
        (small_disk / "fill").unlink()
        index.apply([Entry(501, record(501))])
        assert len(leaf_through(index, 100)) == 501


def test_making_an_index_on_a_full_disk_says_so(small_disk: Path) -> None:
    fill_up(small_disk / "fill")
    with pytest.raises(StorageFull):
        fill(small_disk / "index.sqlite", 2000)


LIMITED = """
import resource, sys
from pathlib import Path
from artstore_core.errors import StorageFull
from element_index import leaf_through, place, record
from storage_element.disk.index import Entry

with place(Path(sys.argv[1])) as at:
    at.index.apply([Entry(number, record(number)) for number in range(1, 500)])
    longest = max(path.stat().st_size for path in Path(sys.argv[1]).parent.iterdir())
    _, most = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (longest, most))
    number = 500
    try:
        while True:
            at.index.apply([Entry(number, record(number))])
            number += 1
    except StorageFull as error:
        print(error.__cause__.sqlite_errorname)
    try:
        at.index.flush()
    except StorageFull:
        pass
    resource.setrlimit(resource.RLIMIT_FSIZE, (most, most))
    at.index.apply([Entry(number, record(number))])
    assert at.index.doubt is None
    assert len(leaf_through(at.reopen(), 500)) == number
print(sorted(path.name for path in Path(sys.argv[1]).parent.iterdir()))
"""


def test_a_disk_that_takes_no_more_is_full_whatever_sqlite_calls_it(path: Path) -> None:
    """It calls a quota that is used up, and a file that may not grow, an I/O error, as it does a broken disk."""
    ended = subprocess.run(
        [sys.executable, "-c", LIMITED, str(path)],
        env=os.environ | {"PYTHONPATH": os.pathsep.join(sys.path)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert (ended.stderr, ended.stdout) == ("", f"SQLITE_IOERR_WRITE\n['{path.name}']\n")


@pytest.mark.parametrize(
    ("code", "full", "means"),
    [
        (sqlite3.SQLITE_IOERR_WRITE, True, StorageFull),
        (sqlite3.SQLITE_IOERR_WRITE, False, IndexDoubtful),
        (sqlite3.SQLITE_IOERR_READ, True, IndexDoubtful),
        (sqlite3.SQLITE_IOERR_FSYNC, True, IndexDoubtful),
        (sqlite3.SQLITE_FULL, False, StorageFull),
    ],
)
def test_what_an_error_means(code: int, full: bool, means: type[Exception]) -> None:
    """A flush that failed is never taken for anything else (requirement S4)."""
    error = sqlite3.OperationalError("disk I/O error")
    error.sqlite_errorcode = code
    assert type(failure_of(error, lambda: full)) is means


IMPORTS = """
import itertools, sys
from pathlib import Path
from element_index import EPOCH, STORAGE_ID, record
from storage_element.disk.index import Entry, Limits, SqliteIndex
"""
APPLY_FOR_EVER = f"""{IMPORTS}
batch = int(sys.argv[2])
index = SqliteIndex.open(Path(sys.argv[1]), STORAGE_ID, limits=Limits(max_wal_bytes=128 * 1024))
for start in itertools.count(index.applied, batch):
    index.apply([Entry(start + number, record(start + number, size=3)) for number in range(1, batch + 1)])
    print(index.applied, flush=True)
"""
FILL_FOR_EVER = f"""{IMPORTS}
def records():
    for number in itertools.count(1):
        yield record(number)
        print(number, flush=True)

SqliteIndex.create(Path(sys.argv[1]), STORAGE_ID, EPOCH).fill(records())
"""


@pytest.mark.parametrize(("batch", "lines"), [(1, 5), (1, 200), (7, 40), (64, 30), (500, 3)])
def test_a_process_killed_while_it_applies_leaves_an_index_that_opens(path: Path, batch: int, lines: int) -> None:
    with place(path):
        pass
    for _ in range(2):
        said = kill_after(lines, APPLY_FOR_EVER, path, batch)
        with closing(SqliteIndex.open(path, STORAGE_ID)) as index:
            assert index.applied >= said
            assert index.applied % batch == 0
            assert leaf_through(index, 1000) == [UUID(int=number) for number in range(1, index.applied + 1)]
            assert [number for number, _, _ in feed(index, limit=1000)] == list(range(1, index.applied + 1))
            assert index.used_bytes == 3 * index.applied == 3 * index.counts[FileStatus.ACTIVE]


def test_a_process_killed_while_it_fills_leaves_an_index_that_is_made_again(path: Path) -> None:
    kill_after(25_000, FILL_FOR_EVER, path)
    with pytest.raises(IndexDoubtful):
        SqliteIndex.open(path, STORAGE_ID)
    fill(path, 2)
    with closing(SqliteIndex.open(path, STORAGE_ID)) as index:
        assert index.applied == 2


def kill_after(lines: int, script: str, *arguments: object) -> int:
    """The last number that the process said."""
    command = [sys.executable, "-c", script, *map(str, arguments)]
    environment = os.environ | {"PYTHONPATH": os.pathsep.join(sys.path)}
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=environment) as process:
        assert process.stdout is not None
        said = [int(process.stdout.readline()) for _ in range(lines)]
        process.send_signal(signal.SIGKILL)
        said += [int(line) for line in process.stdout if line.endswith("\n")]
    return said[-1]

"""The index's tables, and the file that they are in.

- `state` is one row: whose index this is, how far it is, and the sums, changed in the same transaction as what they sum.
- `files` has one row per file that is there, whole record included. Its key is the sequence number, so that a new row
  goes to the end, and the change feed is the order of the table.
- `tombstones` has one row per purged file, for the feed alone: listings need not step over them.
- `shards` says which ids are in which directory. Ids scatter over it, so a row there costs a page of its own: it is
  brought up to date when somebody asks for a shard, in the order of shards, and not with every file.
- `by_id` holds all that a listing looks at before it knows which records it needs. `by_status` and `by_expiry` leave out
  what nearly all files are: active, and permanent.

Whoever changes any of this raises SCHEMA_VERSION: an index of another version is made again.
"""

from __future__ import annotations

import os
import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Final
from uuid import UUID

from storage_element.disk.index.errors import IndexDoubtful

SCHEMA_VERSION: Final = 1
_APPLICATION_ID: Final = 0x41534958  # "ASIX": so that `file` and we know it from other databases

_TABLES: Final = """
CREATE TABLE state (
    id INTEGER PRIMARY KEY CHECK (id = 1),
    storage_id TEXT NOT NULL,
    epoch BLOB NOT NULL,
    finished INTEGER NOT NULL,
    applied INTEGER NOT NULL,
    trimmed INTEGER NOT NULL,
    sharded INTEGER NOT NULL,
    used_bytes INTEGER NOT NULL,
    active INTEGER NOT NULL,
    expired INTEGER NOT NULL,
    damaged INTEGER NOT NULL,
    deleted INTEGER NOT NULL
) STRICT;
CREATE TABLE files (
    sequence INTEGER PRIMARY KEY,
    id BLOB NOT NULL,
    status INTEGER NOT NULL,
    size INTEGER NOT NULL,
    expires_at INTEGER,
    record BLOB NOT NULL
) STRICT;
CREATE INDEX by_id ON files (id, status, expires_at);
CREATE INDEX by_status ON files (status, id) WHERE status <> 0;
CREATE INDEX by_expiry ON files (expires_at, status, id) WHERE expires_at IS NOT NULL;
CREATE TABLE tombstones (
    sequence INTEGER PRIMARY KEY,
    id BLOB NOT NULL UNIQUE,
    purged_at INTEGER NOT NULL,
    record BLOB NOT NULL
) STRICT;
CREATE INDEX by_purge ON tombstones (purged_at);
CREATE TABLE shards (shard TEXT NOT NULL, id BLOB NOT NULL, PRIMARY KEY (shard, id)) STRICT, WITHOUT ROWID;
"""

_STATE: Final = "SELECT epoch, applied, trimmed, sharded, used_bytes, active, expired, damaged, deleted FROM state"
_SET_STATE: Final = """
UPDATE state SET applied = ?, trimmed = ?, sharded = ?, used_bytes = ?, active = ?, expired = ?, damaged = ?, deleted = ?
WHERE id = 1
"""


@dataclass(frozen=True, slots=True)
class State:
    """`sharded` is the sequence number up to which `shards` knows all files; `counts` are by status code."""

    epoch: UUID
    applied: int
    trimmed: int
    sharded: int
    used_bytes: int
    counts: tuple[int, ...]


def load_state(connection: sqlite3.Connection) -> State:
    row = connection.execute(_STATE).fetchone()
    if row is None:
        raise IndexDoubtful("the index does not say what it is")
    epoch, applied, trimmed, sharded, used_bytes, *counts = row
    return State(UUID(bytes=epoch), applied, trimmed, sharded, used_bytes, tuple(counts))


def store_state(connection: sqlite3.Connection, state: State) -> None:
    connection.execute(_SET_STATE, (state.applied, state.trimmed, state.sharded, state.used_bytes, *state.counts))


def connect(
    path: Path | None, *, cache_kib: int, busy_seconds: float, new: bool = False, alone: bool = False
) -> sqlite3.Connection:
    """A connection that may go from thread to thread, one at a time. Unless it is to be new, the file must exist.
    `alone` does without the memory that connections share, which takes room on the disk, and shuts out all others."""
    name = ":memory:" if path is None else f"{path.absolute().as_uri()}?mode={'rwc' if new else 'rw'}"
    connection = sqlite3.connect(
        name, timeout=busy_seconds, isolation_level=None, check_same_thread=False, cached_statements=64, uri=True
    )
    try:
        if alone:  # before anything that looks into the file
            connection.execute("PRAGMA locking_mode = EXCLUSIVE")
        connection.execute(f"PRAGMA cache_size = -{cache_kib}")
        _log_writes(connection)
        # SQLite's own checkpoints hide their errors, and a flush that failed unseen would be repeated.
        connection.execute("PRAGMA wal_autocheckpoint = 0")
    except BaseException:
        connection.close()
        raise
    return connection


def _log_writes(connection: sqlite3.Connection) -> None:
    connection.execute("PRAGMA journal_mode = WAL")
    # No flush at a commit: a power cut may take the last transactions, and leaves the rest in order.
    connection.execute("PRAGMA synchronous = NORMAL")


@contextmanager
def in_bulk(connection: sqlite3.Connection, path: Path | None) -> Iterator[None]:
    """What is written inside is written once, with nothing to go back to: for an index that does not count yet. It is
    durable afterwards. No other connection may be open. Raises OSError, sqlite3.Error."""
    connection.execute("PRAGMA journal_mode = OFF")
    connection.execute("PRAGMA synchronous = OFF")
    yield
    _log_writes(connection)
    if path is not None:
        flush_path(path)
        flush_path(path.parent)


def lay_out(connection: sqlite3.Connection, storage_id: str, epoch: UUID) -> None:
    """Makes the tables, empty, and not yet finished."""
    connection.executescript(
        f"PRAGMA application_id = {_APPLICATION_ID}; PRAGMA user_version = {SCHEMA_VERSION}; BEGIN; {_TABLES} COMMIT;"
    )
    connection.execute("INSERT INTO state VALUES (1, ?, ?, 0, 0, 0, 0, 0, 0, 0, 0, 0)", (storage_id, epoch.bytes))


def inspect(connection: sqlite3.Connection, storage_id: str) -> None:
    """Costs the same however many files there are. Raises IndexDoubtful."""
    if _number(connection, "application_id") != _APPLICATION_ID:
        raise IndexDoubtful("this is not an index")
    if (version := _number(connection, "user_version")) != SCHEMA_VERSION:
        raise IndexDoubtful(f"the index has schema version {version}, not {SCHEMA_VERSION}")
    row = connection.execute("SELECT storage_id, finished FROM state").fetchone()
    if row is None or row[0] != storage_id:
        raise IndexDoubtful("the index is another element's")
    if not row[1]:
        raise IndexDoubtful("the index was not finished")


def _number(connection: sqlite3.Connection, pragma: str) -> int:
    return int(connection.execute(f"PRAGMA {pragma}").fetchone()[0])


def wal_of(path: Path) -> Path:
    return path.with_name(f"{path.name}-wal")


def remove(path: Path) -> None:
    """The database first, and for good, before its journal: were a journal to outlive it on the disk, SQLite would play
    it into the next database of that name. Raises OSError."""
    for one in (path, wal_of(path), path.with_name(f"{path.name}-shm")):
        with suppress(FileNotFoundError):
            one.unlink()
        flush_path(path.parent)


def flush_path(path: Path) -> None:
    """fsync of a file or a directory. Raises OSError."""
    handle = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)

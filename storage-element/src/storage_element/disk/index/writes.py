"""What is written to the index: each function is the inside of one transaction, and gives the state after it."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import replace
from itertools import islice
from typing import Final

from storage_element.disk.index.rows import PURGED, Row, shard_of
from storage_element.disk.index.schema import State

_LOOK_UP_AT_ONCE: Final = 256

_ADD: Final = "INSERT INTO files (sequence, id, status, size, expires_at, record) VALUES (?, ?, ?, ?, ?, ?)"
_ADD_TOMBSTONE: Final = "INSERT INTO tombstones (sequence, id, purged_at, record) VALUES (?, ?, ?, ?)"
_DROP: Final = "DELETE FROM files WHERE sequence = ?"
_DROP_TOMBSTONE: Final = "DELETE FROM tombstones WHERE sequence = ?"
_ADD_TO_SHARD: Final = "INSERT OR IGNORE INTO shards (shard, id) VALUES (?, ?)"
_DROP_FROM_SHARD: Final = "DELETE FROM shards WHERE shard = ? AND id = ?"
_NOT_IN_SHARDS: Final = """
SELECT lower(substr(hex(id), -3)), id, sequence FROM files WHERE sequence > ? AND sequence <= ? ORDER BY 1
"""
_ADD_IF_UNCHANGED: Final = """
INSERT OR IGNORE INTO shards (shard, id) SELECT ?, ? WHERE EXISTS (SELECT 1 FROM files WHERE sequence = ?)
"""
_OLDEST_TOMBSTONES: Final = "SELECT sequence FROM tombstones INDEXED BY by_purge WHERE purged_at < ? LIMIT ?"

Old = tuple[int, bytes, int, int]
"""Sequence number, id, status code and size of what is there."""


def put(
    connection: sqlite3.Connection, state: State, rows: Iterable[Row], *, up_to: int, purged_at: int, shards: bool
) -> State:
    """Makes the rows the latest of their files, but for those that are older than what there is. With `shards` the
    files become known there too, which is cheap only where they come in the order of shards."""
    applied = max(state.applied, up_to)
    latest: dict[bytes, Row] = {}
    for row in rows:
        applied = max(applied, row.sequence)
        other = latest.get(row.id)
        # What is not above `trimmed` was there once: its file may have been purged and forgotten since.
        if row.sequence > state.trimmed and (other is None or other.sequence < row.sequence):
            latest[row.id] = row
    replaced = list(_replaced(connection, latest))
    _write(connection, latest.values(), replaced, purged_at)
    if shards:
        connection.executemany(_ADD_TO_SHARD, [(shard_of(row.id), row.id) for row in latest.values()])
        sharded = applied
    else:
        sharded = min((row.sequence - 1 for row in latest.values()), default=state.sharded)
        sharded = min(state.sharded, sharded)
    used_bytes, counts = _summed(state, latest.values(), replaced)
    return State(state.epoch, applied, state.trimmed, sharded, used_bytes, counts)


def _replaced(connection: sqlite3.Connection, latest: dict[bytes, Row]) -> Iterator[Old]:
    """The rows that give way; takes out of `latest` what is not newer than what there is."""
    for old in _existing(connection, list(latest)):
        if old[0] < latest[old[1]].sequence:
            yield old
        else:
            del latest[old[1]]


def _existing(connection: sqlite3.Connection, ids: list[bytes]) -> Iterator[Old]:
    remaining = iter(ids)
    while chunk := list(islice(remaining, _LOOK_UP_AT_ONCE)):
        # Sizes are powers of two, so that a few prepared statements do for all.
        size = 1 << (len(chunk) - 1).bit_length()
        chunk += chunk[-1:] * (size - len(chunk))
        yield from connection.execute(_LOOK_UP[size], chunk).fetchall()


def _look_up(size: int) -> str:
    some = ",".join(f"?{number}" for number in range(1, size + 1))
    return f"""
        SELECT sequence, id, status, size FROM files WHERE id IN ({some})
        UNION ALL SELECT sequence, id, {PURGED}, 0 FROM tombstones WHERE id IN ({some})
    """


_LOOK_UP: Final[Mapping[int, str]] = {
    size: _look_up(size) for size in (1 << power for power in range(_LOOK_UP_AT_ONCE.bit_length()))
}


def _write(connection: sqlite3.Connection, rows: Iterable[Row], replaced: list[Old], purged_at: int) -> None:
    if replaced:
        connection.executemany(_DROP, [(old[0],) for old in replaced if old[2] != PURGED])
        connection.executemany(_DROP_TOMBSTONE, [(old[0],) for old in replaced if old[2] == PURGED])
    connection.executemany(_ADD, [row for row in rows if row.status != PURGED])
    purged = [row for row in rows if row.status == PURGED]
    if purged:
        connection.executemany(_ADD_TOMBSTONE, [(row.sequence, row.id, purged_at, row.record) for row in purged])
        connection.executemany(_DROP_FROM_SHARD, [(shard_of(row.id), row.id) for row in purged])


def _summed(state: State, rows: Iterable[Row], replaced: list[Old]) -> tuple[int, tuple[int, ...]]:
    used_bytes, counts = state.used_bytes, [*state.counts, 0]
    for row in rows:
        counts[row.status] += 1
        if row.status != PURGED:
            used_bytes += row.size
    for _, _, status, size in replaced:
        counts[status] -= 1
        used_bytes -= size
    return used_bytes, tuple(counts[:PURGED])


Place = tuple[str, bytes, int]
"""Shard, id and sequence number of a file."""


def not_in_shards(connection: sqlite3.Connection, after: int, until: int) -> list[Place]:
    """In the order of shards, of which each page is then written once. Only reads."""
    return connection.execute(_NOT_IN_SHARDS, (after, until)).fetchall()


def add_to_shards(connection: sqlite3.Connection, places: Iterable[Place]) -> None:
    """But for files that changed meanwhile: those have a later number, or are gone."""
    connection.executemany(_ADD_IF_UNCHANGED, places)


def drop_tombstones(connection: sqlite3.Connection, state: State, before: int, at_most: int) -> tuple[State, int]:
    """Those purged before a time in microseconds; and how many they were."""
    gone = connection.execute(_OLDEST_TOMBSTONES, (before, at_most)).fetchall()
    connection.executemany(_DROP_TOMBSTONE, gone)
    trimmed = max((sequence for (sequence,) in gone), default=0)
    return replace(state, trimmed=max(state.trimmed, trimmed)), len(gone)

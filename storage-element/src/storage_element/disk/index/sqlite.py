"""The index in SQLite, in a file or in memory. One thread writes at a time; readers go on meanwhile."""

from __future__ import annotations

import sqlite3
import threading
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager, suppress
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from itertools import islice
from pathlib import Path
from typing import Final
from uuid import UUID

from artstore_core.errors import StorageFull
from artstore_core.files import Attributes, File, FileStatus

from storage_element.disk.failures import meaning as meaning_of_the_disk
from storage_element.disk.index import queries, schema, writes
from storage_element.disk.index.connections import ReaderPool, Readers, SharedConnection, transaction
from storage_element.disk.index.errors import IndexDoubtful, failure_to_open, meaning
from storage_element.disk.index.room import is_full
from storage_element.disk.index.rows import STATUSES, Entry, Row, microseconds, row_of
from storage_element.disk.index.turns import Turns

_FILL_BATCH: Final = 10_000
_SHARD_BATCH: Final = 50_000
"""So many are sorted together: the more, the fewer pages each file costs."""
_SHARD_SLICE: Final = 2_000
"""So many are written at once: what is applied waits for no more."""
_TRIM_BATCH: Final = 10_000


def _utc_now() -> datetime:
    return datetime.now(UTC)


@dataclass(frozen=True, slots=True)
class Limits:
    """`max_wal_bytes`: past it SQLite's WAL is emptied, however far away the next flush. `busy_seconds`: how long to
    wait for readers that still need it. The caches are of each connection: one writes, `readers` read."""

    max_wal_bytes: int = 32 * 1024 * 1024
    busy_seconds: float = 5.0
    writer_cache_kib: int = 8 * 1024
    readers: int = 4
    reader_cache_kib: int = 2 * 1024


_LIMITS: Final = Limits()


def _writer(path: Path | None, limits: Limits, *, new: bool = False, alone: bool = False) -> sqlite3.Connection:
    return schema.connect(
        path, cache_kib=limits.writer_cache_kib, busy_seconds=limits.busy_seconds, new=new, alone=alone
    )


class SqliteIndex:
    """Everything may raise StorageFull (507), StorageUnavailable (503), which say nothing about the index, and
    IndexDoubtful, after which it is of no use. Its file is then removed, so that no later start trusts it; `doubt` says
    why, for whoever closes it.

    `clock` dates the purges, for `trim`.
    """

    def __init__(
        self, path: Path | None, writer: sqlite3.Connection, clock: Callable[[], datetime], limits: Limits
    ) -> None:
        self._path, self._writer, self._clock, self._limits = path, writer, clock, limits
        self._wal = None if path is None else schema.wal_of(path)
        self._next_checkpoint = limits.max_wal_bytes
        self._writing, self._sharding = Turns(), threading.Lock()
        self._lowest_put: int | None = None
        """The lowest number that was put since somebody looked which files are not in `shards` yet."""
        self._closed = False
        self.doubt: IndexDoubtful | None = None
        self._state = schema.load_state(writer)
        self._readers: Readers = SharedConnection(writer, self._writing)

    @classmethod
    def open(
        cls, path: Path, storage_id: str, *, clock: Callable[[], datetime] = _utc_now, limits: Limits = _LIMITS
    ) -> SqliteIndex:
        """Takes the same time however many files there are. Raises IndexDoubtful."""
        try:
            return cls._open(path, storage_id, clock, limits, alone=False)
        except StorageFull:
            # A full disk must not keep an element from serving what it has: so readers and writer take turns.
            return cls._open(path, storage_id, clock, limits, alone=True)

    @classmethod
    def _open(
        cls, path: Path, storage_id: str, clock: Callable[[], datetime], limits: Limits, *, alone: bool
    ) -> SqliteIndex:
        try:
            writer = _writer(path, limits, alone=alone)
            try:
                schema.inspect(writer, storage_id)
                index = cls(path, writer, clock, limits)
                if not alone:
                    index._open_readers()
            except BaseException:
                writer.close()
                raise
            return index
        except sqlite3.Error as error:
            raise failure_to_open(error, lambda: is_full(path)) from error

    @classmethod
    def create(
        cls,
        path: Path | None,
        storage_id: str,
        epoch: UUID,
        *,
        clock: Callable[[], datetime] = _utc_now,
        limits: Limits = _LIMITS,
    ) -> SqliteIndex:
        """Replaces what is there, which nobody may have open; in memory where `path` is None. Until `fill` has ended,
        which a new element calls with nothing, it does not count as an index."""
        with meaning(lambda _: None, lambda: is_full(path)):
            if path is not None:
                with meaning_of_the_disk():
                    schema.remove(path)
            writer = _writer(path, limits, new=True)
            try:
                schema.lay_out(writer, storage_id, epoch)
                return cls(path, writer, clock, limits)
            except BaseException:
                writer.close()
                raise

    def _open_readers(self) -> None:
        if self._path is not None:
            path, limits = self._path, self._limits
            self._readers = ReaderPool(
                limits.readers,
                lambda: schema.connect(path, cache_kib=limits.reader_cache_kib, busy_seconds=limits.busy_seconds),
            )

    @property
    def epoch(self) -> UUID:
        return self._state.epoch

    @property
    def applied(self) -> int:
        """The highest sequence number of all that were applied."""
        return self._state.applied

    @property
    def trimmed(self) -> int:
        """The highest sequence number whose tombstone was dropped: a position in the feed below it is gone."""
        return self._state.trimmed

    @property
    def used_bytes(self) -> int:
        return self._state.used_bytes

    @property
    def counts(self) -> Mapping[FileStatus, int]:
        """By the status that was stored: what expires by the clock is active here."""
        return dict(zip(STATUSES, self._state.counts, strict=True))

    def fill(self, records: Iterable[Attributes]) -> int:
        """Rebuilds a new index: numbers the records from 1 and gives the last number, once all is durable. Quickest
        with the records in the order of shards. Raises ValueError for an index that is not empty, and whatever
        `records` raises; after any error only `close` is left, and another `create`."""
        if self.applied:
            raise ValueError("only an empty index can be filled")
        entries = (Entry(sequence, attributes) for sequence, attributes in enumerate(records, 1))
        with self._meaning(), meaning_of_the_disk(), schema.in_bulk(self._writer, self._path):
            while batch := [row_of(entry) for entry in islice(entries, _FILL_BATCH)]:
                with self._writing:
                    self._put(batch, shards=True)
        with self._change():
            with transaction(self._writer, "IMMEDIATE"):
                self._writer.execute("UPDATE state SET finished = 1")
            self._checkpoint()
            self._open_readers()
        return self.applied

    def apply(self, entries: Sequence[Entry], *, up_to: int = 0) -> None:
        """In one transaction, which `flush` makes durable. Once more does nothing; an entry that is older than what its
        file has is ignored. `applied` rises to the highest sequence number, and at least to `up_to`: for changes that
        concern no file and have a number all the same."""
        rows = [row_of(entry) for entry in entries]
        with self._change():
            self._put(rows, up_to=up_to)
            self._bound_wal()

    def _put(self, rows: list[Row], *, up_to: int = 0, shards: bool = False) -> None:
        with transaction(self._writer, "IMMEDIATE"):
            state = writes.put(
                self._writer,
                self._state,
                rows,
                up_to=up_to,
                purged_at=microseconds(self._clock()),
                shards=shards,
            )
            schema.store_state(self._writer, state)
        self._state = state
        if rows:
            lowest = min(row.sequence for row in rows)
            self._lowest_put = lowest if self._lowest_put is None else min(self._lowest_put, lowest)

    def trim(self, before: datetime) -> int:
        """Drops the tombstones of files purged before then, and gives how many."""
        limit, dropped, more = microseconds(before), 0, True
        while more:
            with self._change():
                with transaction(self._writer, "IMMEDIATE"):
                    state, count = writes.drop_tombstones(self._writer, self._state, limit, _TRIM_BATCH)
                    schema.store_state(self._writer, state)
                self._state = state
                self._bound_wal()
            dropped, more = dropped + count, count == _TRIM_BATCH
        return dropped

    def flush(self) -> None:
        """Durable when it returns: until then a power cut may take the latest transactions, and never more."""
        with self._change():
            self._checkpoint()

    def close(self) -> None:
        """Flushes, and waits for readers. Once more does nothing."""
        with self._writing:
            if self._closed:
                return
            self._closed = True
            try:
                with self._meaning():
                    self._checkpoint()
            finally:
                self._readers.close()
                self._writer.close()

    def get(self, file_id: UUID) -> Attributes | None:
        """None where there is no such file, or no longer."""
        with self._reading() as connection:
            return queries.get(connection, file_id)

    def page(
        self, *, limit: int, offset: int, after: UUID | None, status: FileStatus | None, now: datetime
    ) -> tuple[list[File], int, bool]:
        """A page in the order of ids, the number of all that match, and whether more follow. With `after` it begins at
        the next id, whatever the offset."""
        with self._reading() as connection:
            return queries.page(connection, limit, offset, after, status, now)

    def changes(self, after: int, limit: int, now: datetime) -> tuple[list[tuple[int, File]], bool]:
        """What changed after a sequence number, each file once, as it is now; and whether more follow. A purged file
        comes as deleted."""
        with self._reading() as connection:
            return queries.changes(connection, after, limit, now)

    def to_purge(self, now: datetime, limit: int) -> list[UUID]:
        """Files that are deleted, or whose time is over by then; the deleted ones first."""
        with self._reading() as connection:
            return queries.to_purge(connection, now, limit)

    def shard(self, shard: str) -> dict[UUID, Attributes]:
        """All files of one directory. Writes: the index notes only now which files are in which."""
        with self._sharding:
            while self._state.sharded < self._state.applied:
                self._catch_up_shards()
        with self._reading() as connection:
            return queries.shard(connection, shard)

    def _catch_up_shards(self) -> None:
        """In slices, between which others may write."""
        with self._writing:
            self._lowest_put = None
            after, until = self._state.sharded, min(self._state.applied, self._state.sharded + _SHARD_BATCH)
        with self._reading() as connection:
            places = iter(writes.not_in_shards(connection, after, until))
        while some := list(islice(places, _SHARD_SLICE)):
            with self._change():
                with transaction(self._writer, "IMMEDIATE"):
                    writes.add_to_shards(self._writer, some)
                self._bound_wal()
        with self._change():
            # What a full disk held up is put late, under a number that was passed already.
            sharded = until if self._lowest_put is None else min(until, self._lowest_put - 1)
            state = replace(self._state, sharded=sharded)
            with transaction(self._writer, "IMMEDIATE"):
                schema.store_state(self._writer, state)
            self._state = state

    @contextmanager
    def _reading(self) -> Iterator[sqlite3.Connection]:
        with self._meaning(), self._readers.borrow() as connection:
            yield connection

    @contextmanager
    def _change(self) -> Iterator[None]:
        with self._writing, self._meaning():
            yield

    def _meaning(self) -> AbstractContextManager[None]:
        return meaning(self._doubted, lambda: is_full(self._path))

    def _doubted(self, doubt: IndexDoubtful) -> None:
        self.doubt = self.doubt or doubt
        if self._path is not None:
            with suppress(OSError):
                self._path.unlink(missing_ok=True)

    def _bound_wal(self) -> None:
        if self._wal is None:
            return
        with meaning_of_the_disk():
            size = self._wal.stat().st_size
        if size >= self._next_checkpoint:
            # Where a reader holds it up, not again before as much has come once more.
            emptied = self._checkpoint()
            self._next_checkpoint = self._limits.max_wal_bytes + (0 if emptied else size)

    def _checkpoint(self) -> bool:
        """Makes everything durable; says whether SQLite's WAL is empty now."""
        (busy, _, _) = self._writer.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone()
        if busy and self._wal is not None:
            # A reader still needs it, so it stays. It is as durable as the database once it is flushed itself.
            with meaning_of_the_disk():
                schema.flush_path(self._wal)
        return not busy

"""Opening a data root: nobody else has it, the log is applied, the index is true, and a new log is begun."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar
from uuid import uuid4

from artstore_core.errors import StorageFull, StorageUnavailable

from storage_element.disk.apply import Applier
from storage_element.disk.ballast import Ballast
from storage_element.disk.committed import CommittedFiles
from storage_element.disk.durable import Durable
from storage_element.disk.every_record import Check, Progress, all_records, shards
from storage_element.disk.failures import failure, meaning
from storage_element.disk.filesystem import FileSystem
from storage_element.disk.index import Entry, IndexDoubtful, SqliteIndex
from storage_element.disk.index.schema import remove
from storage_element.disk.layout import Layout
from storage_element.disk.recovery import LogRecovery, Report, make_directories
from storage_element.disk.staged import StagedUploads
from storage_element.disk.wal.log import Log
from storage_element.disk.wal.reader import NO_LOG, LogEnd
from storage_element.disk.wal.segments import Segments
from storage_element.store.ports import Clock

T = TypeVar("T")


class RootInUse(StorageUnavailable):
    """Another process has the data root."""


def lock_root(layout: Layout, filesystem: FileSystem) -> int:
    """A handle on the root's directory; as long as it is open, the root is this process's. Raises StorageUnavailable,
    RootInUse among them."""
    try:
        return filesystem.lock(layout.root)
    except BlockingIOError:
        raise RootInUse("Another process has the storage element's data directory.") from None
    except OSError as error:
        raise failure(error) from error


def with_ballast(layout: Layout, filesystem: FileSystem, report: Report, work: Callable[[], T]) -> T:
    """Does `work`, which may be done twice; where the disk has no room for it, once more without the ballast."""
    try:
        return work()
    except StorageFull:
        with meaning():
            if not Ballast(layout, filesystem).release():
                raise
        report("the disk is full: the ballast was given up", layout.ballast.name)
        return work()


@dataclass
class OpenRoot:
    """What is held while a root is open. `lock` is a handle on its directory; `index_path` is None in memory."""

    filesystem: FileSystem
    durable: Durable
    lock: int
    applier: Applier
    index: SqliteIndex
    log: Log
    index_path: Path | None

    def close(self) -> None:
        """Never raises: whatever cannot be put in order now, the next opening puts in order."""
        for close in (self.log.close, self.index.close):
            with contextlib.suppress(Exception):
                close()
        remove_after_failure(self.durable, self.index_path)
        with contextlib.suppress(Exception):
            self.filesystem.close(self.lock)


class Opening:
    """One opening. `index_path` None keeps the index in memory. `rebuild` makes the index anew in any case."""

    def __init__(
        self,
        layout: Layout,
        filesystem: FileSystem,
        durable: Durable,
        storage_id: str,
        index_path: Path | None,
        report: Report,
        now: Clock,
        check: Check,
        *,
        rebuild: bool = False,
        progress: Progress = lambda *_: None,
    ) -> None:
        self._layout, self._filesystem, self._durable = layout, filesystem, durable
        self._storage_id, self._index_path, self._report, self._now = storage_id, index_path, report, now
        self._check, self._rebuild, self._progress = check, rebuild, progress
        self._applier = Applier(layout, filesystem, durable, StagedUploads(layout, filesystem, durable))

    def run(self) -> OpenRoot:
        """Raises StorageUnavailable (LogDamaged among them), StorageFull."""
        lock = lock_root(self._layout, self._filesystem)
        try:
            return with_ballast(self._layout, self._filesystem, self._report, lambda: self._run(lock))
        except BaseException:
            remove_after_failure(self._durable, self._index_path)
            self._filesystem.close(lock)
            raise

    def _run(self, lock: int) -> OpenRoot:
        make_directories(self._layout, self._filesystem)
        recovery = LogRecovery(
            self._layout, self._filesystem, self._durable, self._applier, self._storage_id, self._report
        )
        index = self._brought_up(recovery, self._true_index(recovery.check()))
        if index is None and self._index_path is not None:
            # Before the log goes: without it nobody could tell that the old index lacks something.
            with meaning():
                remove(self._index_path)
        try:
            self._durable.everything(lock)
            recovery.remove_log()
            index = index or self._new_index()
            log = self._new_log(index)
        except BaseException:
            if index is not None:
                index.close()
            raise
        return OpenRoot(self._filesystem, self._durable, lock, self._applier, index, log, self._index_path)

    def _true_index(self, end: LogEnd) -> SqliteIndex | None:
        """The index, where it goes with the log; None where it must be made anew."""
        if self._index_path is None or self._rebuild:
            return None
        try:
            index = SqliteIndex.open(self._index_path, self._storage_id, clock=self._now)
        except IndexDoubtful as doubt:
            if not self._is_new(end):
                self._tell_of(doubt)
            return None
        try:
            _check_position(index, end)
        except IndexDoubtful as doubt:
            self._give_up(index, doubt)
            return None
        return index

    def _brought_up(self, recovery: LogRecovery, index: SqliteIndex | None) -> SqliteIndex | None:
        """Replays the log. Gives the index with all that it held, flushed; None where it must be made anew."""

        def take(entries: Sequence[Entry], up_to: int) -> None:
            nonlocal index
            if index is not None:
                try:
                    index.apply(entries, up_to=up_to)
                except IndexDoubtful as doubt:
                    self._give_up(index, doubt)
                    index = None

        try:
            recovery.replay(take)
        except BaseException:
            if index is not None:
                index.close()
            raise
        return index if index is not None and self._flushed(index) else None

    def _flushed(self, index: SqliteIndex) -> bool:
        try:
            index.flush()
        except IndexDoubtful as doubt:
            self._give_up(index, doubt)
            return False
        except BaseException:
            index.close()
            raise
        return True

    def _is_new(self, end: LogEnd) -> bool:
        """Nothing was ever kept here: there is no index to miss."""
        path = self._index_path
        return path is not None and not path.exists() and end == NO_LOG and not shards(self._layout, self._filesystem)

    def _tell_of(self, doubt: IndexDoubtful) -> None:
        self._report(f"the index is made anew ({doubt.detail})", self._layout.index.name)

    def _give_up(self, index: SqliteIndex, doubt: IndexDoubtful) -> None:
        self._tell_of(doubt)
        with contextlib.suppress(IndexDoubtful):
            index.close()

    def _new_index(self) -> SqliteIndex:
        """Of what the records say. Its sequence numbers begin at 1, in an epoch of their own."""
        index = SqliteIndex.create(self._index_path, self._storage_id, uuid4(), clock=self._now)
        try:
            committed = CommittedFiles(self._layout, self._filesystem)
            index.fill(all_records(self._layout, self._filesystem, committed, self._check, self._progress))
        except BaseException:
            index.close()
            raise
        return index

    def _new_log(self, index: SqliteIndex) -> Log:
        segments = Segments(self._layout.wal, self._filesystem, self._durable)
        log = Log(segments, self._filesystem, self._durable, self._storage_id, index.applied + 1)
        log.begin()
        return log


def _check_position(index: SqliteIndex, end: LogEnd) -> None:
    """An index may have less than the log, which makes up for it, but neither lack what the log no longer has, nor
    know what it never held. Raises IndexDoubtful."""
    first, after = end.first_sequence, end.next_sequence
    if first is not None and after is not None and not first - 1 <= index.applied < after:
        raise IndexDoubtful(f"it stands at change {index.applied}, the log has {first} up to before {after}")


def remove_after_failure(durable: Durable, index_path: Path | None) -> None:
    """Once a flush has failed, nobody knows which pages were lost, and the index's own may be among them. It is a copy:
    the next start makes it anew. Never raises."""
    if durable.failed and index_path is not None:
        with contextlib.suppress(OSError):
            remove(index_path)

"""Opening a data root: nobody else has it, the log is applied, the index is true, and a new log is begun."""

from __future__ import annotations

import contextlib
from dataclasses import dataclass
from pathlib import Path
from uuid import uuid4

from artstore_core.errors import StorageUnavailable

from storage_element.disk.apply import Applier
from storage_element.disk.committed import CommittedFiles
from storage_element.disk.durable import Durable
from storage_element.disk.failures import failure, meaning
from storage_element.disk.filesystem import FileSystem
from storage_element.disk.index import IndexDoubtful, SqliteIndex
from storage_element.disk.index.schema import remove
from storage_element.disk.layout import Layout
from storage_element.disk.records import Progress, all_records
from storage_element.disk.recovery import LogRecovery, Replayed, Report, make_directories
from storage_element.disk.staged import StagedUploads
from storage_element.disk.wal.log import Log
from storage_element.disk.wal.segments import Segments
from storage_element.store.ports import Clock


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


@dataclass
class OpenRoot:
    """What is held while a root is open. `lock` is a handle on its directory."""

    filesystem: FileSystem
    lock: int
    applier: Applier
    index: SqliteIndex
    log: Log

    def close(self) -> None:
        """Never raises: whatever cannot be put in order now, the next opening puts in order."""
        for close in (self.log.close, self.index.close, lambda: self.filesystem.close(self.lock)):
            with contextlib.suppress(Exception):
                close()


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
        *,
        rebuild: bool = False,
        progress: Progress = lambda *_: None,
    ) -> None:
        self._layout, self._filesystem, self._durable = layout, filesystem, durable
        self._storage_id, self._index_path, self._report, self._now = storage_id, index_path, report, now
        self._rebuild, self._progress = rebuild, progress
        self._applier = Applier(layout, filesystem, durable, StagedUploads(layout, filesystem, durable))

    def run(self) -> OpenRoot:
        """Raises StorageUnavailable (LogDamaged among them), StorageFull."""
        lock = lock_root(self._layout, self._filesystem)
        try:
            return self._run(lock)
        except BaseException:
            self._filesystem.close(lock)
            raise

    def _run(self, lock: int) -> OpenRoot:
        make_directories(self._layout, self._filesystem)
        recovery = LogRecovery(
            self._layout, self._filesystem, self._durable, self._applier, self._storage_id, self._report
        )
        replayed = recovery.replay()
        index = self._true_index(replayed)
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
        return OpenRoot(self._filesystem, lock, self._applier, index, log)

    def _true_index(self, replayed: Replayed) -> SqliteIndex | None:
        """The index with all that the log held, flushed; None where it must be made anew."""
        if self._index_path is None or self._rebuild:
            return None
        try:
            index = SqliteIndex.open(self._index_path, self._storage_id, clock=self._now)
        except IndexDoubtful as doubt:
            self._report(f"the index is made anew ({doubt})", self._index_path.name)
            return None
        try:
            _check_position(index, replayed)
            index.apply(list(replayed.entries.values()), up_to=(replayed.next or 1) - 1)
            index.flush()
        except IndexDoubtful as doubt:
            self._report(f"the index is made anew ({doubt})", self._index_path.name)
            index.close()
            return None
        except BaseException:
            index.close()
            raise
        return index

    def _new_index(self) -> SqliteIndex:
        """Of what the records say. Its sequence numbers begin at 1, in an epoch of their own."""
        index = SqliteIndex.create(self._index_path, self._storage_id, uuid4(), clock=self._now)
        try:
            committed = CommittedFiles(self._layout, self._filesystem)
            index.fill(all_records(self._layout, self._filesystem, committed, self._progress))
        except BaseException:
            index.close()
            raise
        return index

    def _new_log(self, index: SqliteIndex) -> Log:
        segments = Segments(self._layout.wal, self._filesystem, self._durable)
        log = Log(segments, self._filesystem, self._durable, self._storage_id, index.applied + 1)
        log.begin()
        return log


def _check_position(index: SqliteIndex, replayed: Replayed) -> None:
    """An index may have less than the log, which makes up for it, but neither lack what the log no longer has, nor
    know what it never held. Raises IndexDoubtful."""
    if replayed.first is None or replayed.next is None:
        return
    if not replayed.first - 1 <= index.applied < replayed.next:
        raise IndexDoubtful(
            f"it stands at change {index.applied}, the log has {replayed.first} up to before {replayed.next}"
        )

"""A data root as one thing: what the element's meaning (`store/`) asks of the world, fulfilled."""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from uuid import UUID

from artstore_core.errors import FileDamaged, NotFound, StorageUnavailable
from artstore_core.files import Attributes, FileStatus
from artstore_core.modes import Mode
from artstore_tickets import utc_now

from storage_element.disk import layout as names
from storage_element.disk.committed import CommittedFiles, Reader
from storage_element.disk.durable import Durable
from storage_element.disk.every_record import MISSING, UNREADABLE, Progress, unreadable
from storage_element.disk.failures import meaning
from storage_element.disk.filesystem import FileSystem, Usage
from storage_element.disk.identity import Identity
from storage_element.disk.index import Entry, SqliteIndex
from storage_element.disk.inspector import Inspector
from storage_element.disk.layout import Layout
from storage_element.disk.opening import Opening, OpenRoot
from storage_element.disk.recovery import Report, StagingRecovery
from storage_element.disk.staged import StagedReader, StagedUploads
from storage_element.disk.staged_parts import StagedParts
from storage_element.disk.writer import RunningHash, Writer
from storage_element.store import ports
from storage_element.store.agreement import Agreement
from storage_element.store.changes import Change, ChangeKind, Logged


@dataclass
class Found:
    """What a start found. `uploads` go with the bytes that each has now."""

    mode: Mode
    uploads: list[tuple[Agreement, int]]
    quarantine_bytes: int


class DataRoot:
    """Fulfils `store.ports.Disk`. Safe to call from several threads, but for one Writer or Reader in two at once.

    `index_in_memory` is for disks that SQLite cannot reach; the index is then made anew at each opening.
    """

    def __init__(
        self,
        root: Path,
        filesystem: FileSystem,
        storage_id: str,
        report: Report,
        *,
        index_in_memory: bool = False,
        now: ports.Clock = utc_now,
    ) -> None:
        self._layout = Layout(root)
        self._filesystem, self._storage_id, self._report = filesystem, storage_id, report
        self._durable = Durable(
            filesystem, lambda why: report("writing failed: no change is taken until a restart", why)
        )
        self._identity = Identity(self._layout, filesystem, self._durable, storage_id)
        self._committed = CommittedFiles(self._layout, filesystem)
        self._staged = StagedUploads(self._layout, filesystem, self._durable)
        self.parts = StagedParts(self._layout, filesystem, self._durable, self.check)
        self.inspector = Inspector(self._layout, filesystem, self._durable, self._committed, self.check)
        self._index_path, self._now = (None if index_in_memory else self._layout.index), now
        self._opened: OpenRoot | None = None
        self._live: set[Path] = set()
        self._live_lock = threading.Lock()

    @property
    def failed(self) -> bool:
        return self._durable.failed

    @property
    def index(self) -> SqliteIndex:
        """Raises StorageUnavailable while the root is not open."""
        return self._open_root().index

    @property
    def log_bytes(self) -> int:
        return 0 if self._opened is None else self._opened.log.bytes

    @property
    def log_segments(self) -> int:
        return 0 if self._opened is None else self._opened.log.segments

    def initialise(self, mode: Mode, now: datetime) -> bool:
        with meaning():
            return self._identity.initialise(mode, now)

    def check(self) -> None:
        self._identity.check()

    def mode(self) -> Mode:
        return self._identity.mode()

    def open_root(self) -> Found:
        """Takes the root, recovers it, and is ready for changes. Raises StorageUnavailable, StorageFull."""
        self.check()
        self.close_root()
        with self._live_lock:
            live = frozenset(self._live)
        self._opened = self._opening().run()
        staging = StagingRecovery(self._layout, self._filesystem, self._staged, self.parts, self._report)
        uploads = staging.sweep(live)
        return Found(self._identity.mode(), uploads, self.inspector.quarantine_bytes())

    def rebuild_index(self, progress: Progress) -> int:
        """Makes the index anew from the records; gives how many files there are. Nobody may have the root open."""
        self.check()
        opened = self._opening(rebuild=True, progress=progress).run()
        try:
            return sum(opened.index.counts.values())
        finally:
            opened.close()

    def _opening(self, *, rebuild: bool = False, progress: Progress = lambda *_: None) -> Opening:
        return Opening(
            self._layout,
            self._filesystem,
            self._durable,
            self._storage_id,
            self._index_path,
            self._report,
            self._now,
            self.check,
            rebuild=rebuild,
            progress=progress,
        )

    def close_root(self) -> None:
        """Lets go of the disk. What is in the log stays there for the next opening."""
        opened, self._opened = self._opened, None
        if opened is not None:
            opened.close()
            if opened.index.doubt is not None:
                self._report(f"the index failed ({opened.index.doubt.detail})", self._layout.index.name)

    def append(self, changes: Sequence[Change]) -> list[Logged]:
        return self._open_root().log.append(changes)

    def apply(self, logged: Logged) -> None:
        self._open_root().applier.apply(logged)

    def index_changes(self, done: Sequence[Logged]) -> None:
        entries = [
            Entry(logged.sequence, logged.change.attributes, purged=logged.change.kind is ChangeKind.PURGE)
            for logged in done
            if logged.change.attributes is not None
        ]
        if done:
            self._open_root().index.apply(entries, up_to=max(logged.sequence for logged in done))

    def rotate_log(self) -> int:
        return self._open_root().log.rotate()

    def make_durable(self) -> None:
        self.check()
        opened = self._open_root()
        self._durable.everything(opened.lock)
        opened.index.flush()

    def drop_log(self) -> None:
        with meaning():
            self._open_root().log.drop_closed()

    def drop_staged(self, staged: Sequence[str]) -> None:
        """Never raises; what stays behind is cleared at the next start."""
        for name in staged:
            path = self._layout.staged(name)
            with contextlib.suppress(OSError):
                upload_id = names.id_of_part(name)
                if upload_id is not None:
                    self._staged.forget(upload_id)
                else:
                    self._filesystem.unlink(path)

    def usage(self) -> Usage:
        with meaning():
            return self._filesystem.usage(self._layout.root)

    def last_known(self, file_id: UUID) -> Attributes:
        try:
            return self.attributes(file_id)
        except (FileDamaged, NotFound) as error:
            known, missing = self.index.get(file_id), isinstance(error, NotFound)
            if known is None:
                if missing:
                    raise
                return unreadable(file_id, self._committed.size(file_id))
            if known.status is FileStatus.DELETED:
                return known
            return known.model_copy(update={"status": FileStatus.DAMAGED, "damage": MISSING if missing else UNREADABLE})

    def attributes(self, file_id: UUID) -> Attributes:
        try:
            return self._committed.attributes(file_id)
        except NotFound:
            self.check()  # a file is missing only on a disk that is there
            raise

    def open(self, attributes: Attributes) -> Reader:
        try:
            return self._committed.open(attributes)
        except Exception:
            self.check()
            raise

    def open_staged(self, name: str, attributes: Attributes) -> Reader:
        return self._committed.open_staged(name, attributes)

    def new_writer(self) -> Writer:
        path = self._layout.temporary()
        with self._live_lock:
            self._live.add(path)
        try:
            return Writer.create(self._filesystem, self._durable, path)
        except BaseException:
            self._release(path)
            raise

    def discard(self, writer: ports.Writer) -> None:
        # Whatever fails here is found again by recovery.
        with contextlib.suppress(OSError):
            writer.close()
        with self._live_lock:
            ours = writer.path in self._live
        if ours:
            # After a failed flush nobody knows whether the log names this file: the next start does.
            if not self._durable.failed:
                with contextlib.suppress(OSError):
                    self._filesystem.unlink(writer.path)
            self._release(writer.path)

    def make_staged(self, writer: ports.Writer) -> str:
        self.check()
        writer.flush()
        with meaning():
            self._durable.directory(self._layout.staging)
        return writer.path.name

    def release(self, writer: ports.Writer) -> None:
        with contextlib.suppress(OSError):
            writer.close()
        self._release(writer.path)

    def begin_upload(self, agreement: Agreement) -> None:
        self.check()
        self._staged.begin(agreement)

    def measure_upload(self, upload_id: UUID) -> int:
        with self._there():
            return self._staged.measure(upload_id)

    def last_received(self, upload_id: UUID) -> datetime:
        with self._there():
            return self._staged.last_received(upload_id)

    def resume_upload(self, upload_id: UUID, known: RunningHash | None) -> Writer:
        with self._there():
            return self._alive(self._staged.resume(upload_id, known))

    def open_upload(self, upload_id: UUID) -> StagedReader:
        with self._there():
            return self._staged.open(upload_id)

    def restart_upload(self, upload_id: UUID) -> Writer:
        with self._there():
            return self._alive(self._staged.restart(upload_id))

    def forget_upload(self, upload_id: UUID) -> None:
        self._staged.forget(upload_id)

    @contextlib.contextmanager
    def _there(self) -> Iterator[None]:
        """What is missing is so only on a disk that is there."""
        try:
            yield
        except NotFound:
            self.check()
            raise

    def _open_root(self) -> OpenRoot:
        if self._opened is None:
            raise StorageUnavailable("The storage element is not open.")
        return self._opened

    def _alive(self, writer: Writer) -> Writer:
        """An opening beside it must leave the file as it is."""
        with self._live_lock:
            self._live.add(writer.path)
        return writer

    def _release(self, path: Path) -> None:
        with self._live_lock:
            self._live.discard(path)

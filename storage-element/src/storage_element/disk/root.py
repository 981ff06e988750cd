"""A data root as one thing: what the element's meaning (`store/`) asks of the world, fulfilled."""

from __future__ import annotations

import contextlib
import threading
from datetime import datetime
from pathlib import Path
from uuid import UUID

from artstore_core.errors import NotFound
from artstore_core.files import Attributes
from artstore_core.modes import Mode

from storage_element.disk.committed import CommittedFiles, Reader
from storage_element.disk.durable import Durable
from storage_element.disk.failures import meaning
from storage_element.disk.filesystem import FileSystem, Usage
from storage_element.disk.identity import Identity
from storage_element.disk.layout import Layout
from storage_element.disk.recovery import Found, Recovery, Report
from storage_element.disk.staged import StagedUploads
from storage_element.disk.writer import RunningHash, Writer
from storage_element.store import ports


class DataRoot:
    """Fulfils `store.ports.Disk`. Safe to call from several threads, but for one Writer or Reader in two at once."""

    def __init__(self, root: Path, filesystem: FileSystem, storage_id: str, report: Report) -> None:
        self._layout = Layout(root)
        self._filesystem = filesystem
        self._durable = Durable(filesystem)
        self._identity = Identity(self._layout, filesystem, self._durable, storage_id)
        self._committed = CommittedFiles(self._layout, filesystem, self._durable)
        self._staged = StagedUploads(self._layout, filesystem, self._durable)
        self._recovery = Recovery(self._layout, filesystem, self._committed, self._staged, report)
        self._live: set[Path] = set()
        self._live_lock = threading.Lock()

    @property
    def failed(self) -> bool:
        return self._durable.failed

    def initialise(self, mode: Mode, now: datetime) -> bool:
        with meaning():
            return self._identity.initialise(mode, now)

    def check(self) -> None:
        self._identity.check()

    def mode(self) -> Mode:
        return self._identity.mode()

    def recover(self) -> Found:
        self.check()
        self._committed.forget()
        with self._live_lock:
            live = frozenset(self._live)
        return self._recovery.run(live)

    def usage(self) -> Usage:
        with meaning():
            return self._filesystem.usage(self._layout.root)

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
        with contextlib.suppress(OSError):
            self._filesystem.unlink(writer.path)
        self._release(writer.path)

    def commit(self, writer: ports.Writer, attributes: Attributes) -> None:
        """Flushes and closes the writer and makes a file of it. When it raises, `discard` or keep the writer's file."""
        self.check()
        writer.flush()
        self._committed.commit(writer.path, attributes)
        writer.close()
        self._release(writer.path)

    def confirm(self, file_id: UUID) -> None:
        self._committed.confirm(file_id)

    def begin_upload(self, agreement: ports.Agreement) -> None:
        self.check()
        self._staged.begin(agreement)

    def measure_upload(self, upload_id: UUID) -> int:
        try:
            return self._staged.measure(upload_id)
        except NotFound:
            self.check()
            raise

    def last_received(self, upload_id: UUID) -> datetime:
        try:
            return self._staged.last_received(upload_id)
        except NotFound:
            self.check()
            raise

    def resume_upload(self, upload_id: UUID, known: RunningHash | None) -> Writer:
        try:
            return self._staged.resume(upload_id, known)
        except NotFound:
            self.check()
            raise

    def forget_upload(self, upload_id: UUID) -> None:
        self._staged.forget(upload_id)

    def _release(self, path: Path) -> None:
        with self._live_lock:
            self._live.discard(path)

"""Making a copied data root this element's (requirement S5).

A copy may have been made of a running element, or of one that was killed: then changes that were acknowledged are in its
log alone. They are put into their places first, which takes knowing that the log belongs to this copy: its segments carry
the id that the old marker has. The index goes: its numbers are the old element's.
"""

from __future__ import annotations

from datetime import datetime
from pathlib import Path

from artstore_core.errors import Conflict, StorageUnavailable
from artstore_core.modes import Mode
from artstore_tickets import utc_now

from storage_element.disk.apply import Applier
from storage_element.disk.durable import Durable
from storage_element.disk.failures import meaning
from storage_element.disk.filesystem import FileSystem
from storage_element.disk.identity import Identity
from storage_element.disk.index.schema import remove
from storage_element.disk.layout import Layout
from storage_element.disk.opening import lock_root, with_ballast
from storage_element.disk.recovery import LogRecovery, Report, make_directories
from storage_element.disk.staged import StagedUploads
from storage_element.disk.wal.segments import Segments


class Adoption:
    """One adoption of the directory `root` by the element `storage_id`."""

    def __init__(self, root: Path, filesystem: FileSystem, storage_id: str, report: Report) -> None:
        self._layout, self._filesystem, self._storage_id, self._report = Layout(root), filesystem, storage_id, report
        self._durable = Durable(filesystem)
        self._identity = Identity(self._layout, filesystem, self._durable, storage_id)

    def run(self, mode: Mode | None, now: datetime | None = None) -> str | None:
        """The id of the element that the directory belonged to, None where it had no marker.

        Raises Conflict for what is no copy of a data root, or one without a mode where none is given; and
        StorageUnavailable (LogDamaged among them), StorageFull. The marker comes last: until then nothing is adopted.
        """
        with meaning():
            if not self._filesystem.exists(self._layout.files):
                raise Conflict("The data directory has no files/: it is no copy of a data root.")
        lock = lock_root(self._layout, self._filesystem)
        try:
            owner = self._identity.owner()
            if mode is None:
                self._check_mode()
            with_ballast(
                self._layout, self._filesystem, self._report, lambda: self._adopt(owner, mode, now or utc_now(), lock)
            )
            return owner
        finally:
            self._filesystem.close(lock)

    def _adopt(self, owner: str | None, mode: Mode | None, now: datetime, lock: int) -> None:
        make_directories(self._layout, self._filesystem)
        self._empty_log(owner, lock)
        with meaning():
            remove(self._layout.index)
            self._identity.adopt(mode, now)

    def _check_mode(self) -> None:
        try:
            self._identity.mode()
        except StorageUnavailable:
            raise Conflict("The data directory does not say its mode: give one with --mode.") from None

    def _empty_log(self, owner: str | None, lock: int) -> None:
        with meaning():
            segments = Segments(self._layout.wal, self._filesystem, self._durable).paths()
        if not segments:
            return
        if owner is None:
            raise Conflict(
                "The data directory has a log (wal/) and no marker that says whose it is. Copy the marker too; or, if the "
                "log's last changes may be lost, move wal/ away."
            )
        applier = Applier(
            self._layout,
            self._filesystem,
            self._durable,
            StagedUploads(self._layout, self._filesystem, self._durable),
        )
        recovery = LogRecovery(self._layout, self._filesystem, self._durable, applier, owner, self._report)
        recovery.check()
        recovery.replay()
        self._durable.everything(lock)
        recovery.remove_log()

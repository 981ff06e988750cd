"""What a start makes of what it finds, before anybody is answered.

    1. The log is read through. Damage in what was acknowledged: no start, and nothing is changed (disk/wal).
    2. Of a torn tail the segment is kept in quarantine/. Nobody was told that what it holds was kept.
    3. Every change in the log is put into its place, in order; most are there already, which changes nothing.
    4. The index is brought up to them. Where it is missing or doubtful it is made anew from the records, and the
       sequence numbers begin again under another epoch.
    5. Everything is flushed, and the log removed: from here on the directory alone is the whole element.
    6. staging/ is swept: what belongs to no upload that can go on is removed.

    staging/*.tmp                                unacknowledged, or in its place by now: removed
    staging/<id>.part and <id>.upload.json       an upload that can go on: kept, until nothing came for too long
    one of the two without the other             a begin or an end that was cut short: removed
    either of them beside a file <id>            the end of a completion that was cut short: removed

Names that this element does not make are left alone. Dying in any of these steps, and beginning again, gives the same.
The time that all this takes depends on the log and on the unfinished uploads, not on the number of files.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Collection
from dataclasses import dataclass, field
from pathlib import Path
from uuid import UUID

from artstore_core.attr_json import decode, encode
from artstore_core.errors import FileDamaged, StorageUnavailable
from artstore_core.files import FileStatus

from storage_element.disk import layout as names
from storage_element.disk.apply import Applier
from storage_element.disk.durable import Durable
from storage_element.disk.failures import meaning
from storage_element.disk.filesystem import FileSystem
from storage_element.disk.index import Entry
from storage_element.disk.layout import Layout
from storage_element.disk.staged import StagedUploads
from storage_element.disk.wal.reader import LogReader, Tail
from storage_element.disk.wal.segments import Segments
from storage_element.store.agreement import Agreement
from storage_element.store.changes import Change, ChangeKind, Logged

Report = Callable[[str, str], None]
"""Takes what happened, and the name of the file that it happened to."""


@dataclass
class Replayed:
    """What the log held, by file: the last state of each. `first` and `next` are sequence numbers, None without a log."""

    entries: dict[UUID, Entry] = field(default_factory=dict)
    first: int | None = None
    next: int | None = None


class LogRecovery:
    """Steps 1 to 3, and 5. Raises LogDamaged, StorageFull, StorageUnavailable."""

    def __init__(
        self,
        layout: Layout,
        filesystem: FileSystem,
        durable: Durable,
        applier: Applier,
        storage_id: str,
        report: Report,
    ) -> None:
        self._layout, self._filesystem, self._durable = layout, filesystem, durable
        self._applier, self._report = applier, report
        self._segments = Segments(layout.wal, filesystem, durable)
        self._reader = LogReader(self._segments, filesystem, storage_id)

    def replay(self) -> Replayed:
        with meaning():
            end = self._reader.check()
            if end.torn is not None:
                self._set_aside(end.torn)
            replayed = Replayed(first=end.first_sequence, next=end.next_sequence)
            for group in self._reader.groups():
                for logged in group.records():
                    self._again(logged, replayed)
            return replayed

    def remove_log(self) -> None:
        """Once everything in it is flushed elsewhere."""
        with meaning():
            for path in self._segments.paths():
                self._segments.remove(path)

    def _again(self, logged: Logged, replayed: Replayed) -> None:
        change = logged.change
        missing = False
        try:
            self._applier.apply(logged)
        except FileDamaged:
            missing = True
        if change.kind not in (ChangeKind.MODE, ChangeKind.STAGED):
            entry = Entry(logged.sequence, decode(change.record), purged=change.kind is ChangeKind.PURGE)
            replayed.entries.pop(change.file_id, None)
            replayed.entries[change.file_id] = self._without_data(entry) if missing else entry

    def _without_data(self, entry: Entry) -> Entry:
        """The bytes that a record promises are neither staged nor in their place: damage, told as such."""
        self._report("logged data is missing", str(entry.attributes.file_id))
        damaged = entry.attributes.model_copy(update={"status": FileStatus.DAMAGED, "damage": "data missing"})
        self._applier.apply(Logged(entry.sequence, Change(ChangeKind.SET, damaged.file_id, encode(damaged))))
        return Entry(entry.sequence, damaged)

    def _set_aside(self, tail: Tail) -> None:
        # Segments of every log begin with the same names; what was set aside before must not be taken for this one.
        log = "unknown" if tail.log_id is None else tail.log_id.hex[:16]
        target = self._layout.set_aside(tail.path, f"{log}.{tail.offset:x}")
        with contextlib.suppress(FileExistsError):
            # The whole segment, by a second name: that needs no room, which may be what is missing.
            self._filesystem.link(tail.path, target)
        self._durable.directory(target.parent)
        self._report(f"a torn tail of the log was set aside ({tail.reason})", f"{tail.path.name} at byte {tail.offset}")


class StagingRecovery:
    """Step 6. Raises StorageUnavailable when the disk cannot be read."""

    def __init__(self, layout: Layout, filesystem: FileSystem, staged: StagedUploads, report: Report) -> None:
        self._layout, self._filesystem, self._staged, self._report = layout, filesystem, staged, report

    def sweep(self, live: Collection[Path]) -> list[tuple[Agreement, int]]:
        """The uploads that go on, with the bytes that each has. `live` are files that requests are working on."""
        with meaning():
            present = self._filesystem.names(self._layout.staging)
            agreed = self._agreed_uploads(present)
            parts = {upload_id for name in present if (upload_id := names.id_of_part(name)) is not None}
            going_on = {upload_id for upload_id in parts & agreed.keys() if not self._is_file(upload_id)}
            for name in present:
                self._remove_leftover(name, going_on, live)
            return [
                (agreed[upload_id], self._staged.cut_to_received(agreed[upload_id])) for upload_id in sorted(going_on)
            ]

    def _agreed_uploads(self, present: Collection[str]) -> dict[UUID, Agreement]:
        agreed = {}
        for name in present:
            if (upload_id := names.id_of_upload(name)) is not None:
                with contextlib.suppress(ValueError):
                    agreed[upload_id] = self._staged.agreement(upload_id)
        return agreed

    def _is_file(self, upload_id: UUID) -> bool:
        return self._filesystem.exists(self._layout.attributes(upload_id))

    def _remove_leftover(self, name: str, going_on: Collection[UUID], live: Collection[Path]) -> None:
        path = self._layout.staging / name
        upload_id = names.id_of_part(name) or names.id_of_upload(name)
        leftover = names.is_temporary(name) if upload_id is None else upload_id not in going_on
        if leftover and path not in live:
            self._filesystem.unlink(path)
            self._report("an interrupted upload was cleared", name)


def make_directories(layout: Layout, filesystem: FileSystem) -> None:
    """A copied data root may lack what was empty. `files` it may not lack: that would be an archive lost."""
    with meaning():
        if not filesystem.exists(layout.files):
            raise StorageUnavailable("The storage element's files are not there.")
        for directory in layout.directories:
            if not filesystem.exists(directory):
                filesystem.mkdir(directory)

"""What a start makes of what it finds, before anybody is answered.

    1. The log is read through. Damage in what was acknowledged, or a record that this version does not understand: no
       start, and nothing is changed (disk/wal).
    2. Of a torn tail the segment is kept in quarantine/. Nobody was told that what it holds was kept.
    3. Every change in the log is put into its place, in order; most are there already, which changes nothing. The index
       is brought up to them meanwhile, in batches.
    4. Where the index is missing or doubtful it is made anew from the records, and the sequence numbers begin again under
       another epoch.
    5. Everything is flushed, and the log removed: from here on the directory alone is the whole element.
    6. staging/ is swept: what belongs to no upload that can go on is removed.

    staging/*.tmp                                unacknowledged, or in its place by now: removed
    staging/<id>.part and <id>.upload.json       an upload that can go on: kept, until nothing came for too long
    one of the two without the other             a begin or an end that was cut short: removed
    either of them beside a file <id>            the end of a completion that was cut short: removed
    both, and one of them cannot be read         damage: kept in quarantine/, and told

Names that this element does not make are left alone. Dying in any of these steps, and beginning again, gives the same.
The time that all this takes depends on the log and on the unfinished uploads, not on the number of files.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Collection, Iterator, Sequence
from pathlib import Path
from typing import Final
from uuid import UUID

from artstore_core.attr_json import decode, encode
from artstore_core.errors import FileDamaged, StorageUnavailable
from artstore_core.files import FileStatus

from storage_element.disk import layout as names
from storage_element.disk.apply import Applier
from storage_element.disk.durable import Durable
from storage_element.disk.failures import NOT_GIVEN_OUT, meaning
from storage_element.disk.filesystem import FileSystem
from storage_element.disk.index import Entry
from storage_element.disk.layout import Layout
from storage_element.disk.staged import StagedUploads
from storage_element.disk.staged_parts import StagedParts
from storage_element.disk.wal.reader import LogDamaged, LogEnd, LogReader, Tail
from storage_element.disk.wal.segments import Segments
from storage_element.store.agreement import Agreement
from storage_element.store.changes import Change, ChangeKind, Logged
from storage_element.store.ports import NotGivenOut

Report = Callable[[str, str], None]
"""Takes what happened, and the name of the file that it happened to."""


Take = Callable[[Sequence[Entry], int], None]
"""Takes what became of some files, at most one entry for each, and the number of the last change that was looked at."""
_BATCH_CHANGES: Final = 1000
_BATCH_BYTES: Final = 4 * 1024 * 1024
"""Of records; whatever the log holds, so much of it is in memory, and a group."""


class _Batch:
    """The last state of each file, until there are enough of them for `take`."""

    def __init__(self, take: Take) -> None:
        self._take = take
        self._entries: dict[UUID, Entry] = {}
        self._changes = self._bytes = self._last = 0

    def add(self, sequence: int, entry: Entry | None, size: int) -> None:
        if entry is not None:
            self._entries[entry.attributes.file_id] = entry
        self._changes, self._bytes, self._last = self._changes + 1, self._bytes + size, sequence
        if self._changes >= _BATCH_CHANGES or self._bytes >= _BATCH_BYTES:
            self.hand_over()

    def hand_over(self) -> None:
        if self._changes:
            self._take(list(self._entries.values()), self._last)
            self._entries.clear()
            self._changes = self._bytes = 0


class LogRecovery:
    """Steps 1 to 3, and 5. `check` comes first. Raises StorageFull, StorageUnavailable."""

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

    def check(self) -> LogEnd:
        """Steps 1 and 2. Raises LogDamaged."""
        with meaning():
            try:
                end = self._reader.check()
            except LogDamaged as damage:
                self._report(f"the log is damaged: {damage.reason}", f"wal/{damage.path.name} at byte {damage.offset}")
                raise
            if end.torn is not None:
                self._set_aside(end.torn)
            return end

    def replay(self, take: Take = lambda _entries, _up_to: None) -> None:
        """Step 3."""
        batch = _Batch(take)
        with meaning():
            for group in self._reader.groups():
                for logged in group.records():
                    batch.add(logged.sequence, self._again(logged), len(logged.change.record))
        batch.hand_over()

    def remove_log(self) -> None:
        """Once everything in it is flushed elsewhere."""
        with meaning():
            for path in self._segments.paths():
                self._segments.remove(path)

    def _again(self, logged: Logged) -> Entry | None:
        """What the index is to know of it."""
        change = logged.change
        missing = False
        try:
            self._applier.apply(logged)
        except FileDamaged:
            missing = True
        if change.kind in (ChangeKind.MODE, ChangeKind.STAGED):
            return None
        entry = Entry(logged.sequence, decode(change.record), purged=change.kind is ChangeKind.PURGE)
        return self._without_data(entry) if missing else entry

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

    def __init__(
        self, layout: Layout, filesystem: FileSystem, staged: StagedUploads, parts: StagedParts, report: Report
    ) -> None:
        self._layout, self._filesystem, self._staged, self._report = layout, filesystem, staged, report
        self._parts = parts

    def sweep(self, live: Collection[Path]) -> list[tuple[Agreement, int]]:
        """The uploads that go on, with the bytes that each has. `live` are files that requests are working on."""
        with meaning():
            present = self._filesystem.names(self._layout.staging)
            parts = {upload_id for name in present if (upload_id := names.id_of_part(name)) is not None}
            agreed = {upload_id for name in present if (upload_id := names.id_of_upload(name)) is not None}
            going_on, damaged = list[tuple[Agreement, int]](), set[UUID]()
            for upload_id in sorted(parts & agreed):
                try:
                    with meaning():
                        going_on += self._unfinished(upload_id, live)
                except (ValueError, NotGivenOut):
                    damaged.add(upload_id)
                    self._set_aside(upload_id, live)
            kept = damaged | {agreement.upload_id for agreement, _ in going_on}
            for name in present:
                self._remove_leftover(name, kept, live)
            return going_on

    def _unfinished(self, upload_id: UUID, live: Collection[Path]) -> list[tuple[Agreement, int]]:
        """Empty where it became a file. Raises ValueError, and OSError."""
        if self._filesystem.exists(self._layout.attributes(upload_id)):
            return []
        agreement = self._staged.agreement(upload_id)
        return [(agreement, self._measured(agreement, live))]

    def _measured(self, agreement: Agreement, live: Collection[Path]) -> int:
        if agreement.part_size is not None:
            return sum(part.length for part in self._parts.read(agreement).values())
        # What a request of this process writes did not go through a power cut.
        if self._layout.part(agreement.upload_id) in live:
            return self._staged.measure(agreement.upload_id)
        return self._staged.cut_to_received(agreement)

    def _set_aside(self, upload_id: UUID, live: Collection[Path]) -> None:
        """An agreement is flushed whole, and the log has what was agreed after that: one that cannot be read is damage, as
        is a bad place under any of the three. Nobody can go on with such an upload, and nobody need lose its bytes."""
        layout = self._layout
        for path in (layout.part(upload_id), layout.parts(upload_id), layout.upload(upload_id)):
            if path not in live:
                with contextlib.suppress(FileNotFoundError), self._of_one_file(path.name):
                    self._filesystem.rename(path, layout.set_aside(path))
        self._report("an upload that cannot be read was set aside", str(upload_id))

    def _remove_leftover(self, name: str, kept: Collection[UUID], live: Collection[Path]) -> None:
        path = self._layout.staging / name
        upload_id = names.id_of_part(name) or names.id_of_parts(name) or names.id_of_upload(name)
        leftover = names.is_temporary(name) if upload_id is None else upload_id not in kept
        if leftover and path not in live:
            with self._of_one_file(name):
                self._filesystem.unlink(path)
                self._report("an interrupted upload was cleared", name)

    @contextlib.contextmanager
    def _of_one_file(self, name: str) -> Iterator[None]:
        """A bad place under one of these must not keep all files from being served."""
        try:
            yield
        except OSError as error:
            if error.errno not in NOT_GIVEN_OUT:
                raise
            self._report("the disk does not let go of a file in staging; it stays there", name)


def make_directories(layout: Layout, filesystem: FileSystem) -> None:
    """A copied data root may lack what was empty. `files` it may not lack: that would be an archive lost."""
    with meaning():
        if not filesystem.exists(layout.files):
            raise StorageUnavailable("The storage element's files are not there.")
        for directory in layout.directories:
            if not filesystem.exists(directory):
                filesystem.mkdir(directory)

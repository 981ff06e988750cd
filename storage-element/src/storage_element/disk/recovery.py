"""What a start makes of what it finds.

    staging/*.tmp                                unacknowledged: removed
    staging/<id>.part and <id>.upload.json       an upload that can go on: kept, until nothing
                                                 came for too long (store/sweep.py)
    one of the two without the other             a begin or an end that was cut short: removed
    <id>.upload.json beside a committed <id>     the end of a completion that was cut short: removed
    <id>.data without attr.json, with
      staging/<id>.upload.json                   a completion that was cut short: back to staging, resumable
    <id>.data without attr.json                  nobody acknowledged it, but bytes are never destroyed on a
                                                 guess: into quarantine
    attr.json without its data, or of another
      size, or unreadable                        damage: listed as such where the record can be read, reported

Names that this element does not make are left alone. Nothing here depends on how the last process ended.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Collection
from dataclasses import dataclass, field
from pathlib import Path
from uuid import UUID

from artstore_core.errors import FileDamaged, NotFound
from artstore_core.files import File, FileStatus

from storage_element.disk import layout as names
from storage_element.disk.committed import CommittedFiles
from storage_element.disk.failures import meaning
from storage_element.disk.filesystem import FileSystem
from storage_element.disk.layout import Layout
from storage_element.disk.staged import Agreement, StagedUploads

Report = Callable[[str, str], None]
"""Takes what happened, and the name of the file that it happened to."""


@dataclass
class Found:
    """A data root's content. `uploads` go with the bytes that each has now."""

    files: list[File] = field(default_factory=list)
    uploads: list[tuple[Agreement, int]] = field(default_factory=list)


class Recovery:
    """Sweeps staging, then reads every record. Raises StorageUnavailable when the disk cannot be read."""

    def __init__(
        self, layout: Layout, filesystem: FileSystem, committed: CommittedFiles, staged: StagedUploads, report: Report
    ) -> None:
        self._layout, self._filesystem = layout, filesystem
        self._committed, self._staged, self._report = committed, staged, report

    def run(self, live: Collection[Path]) -> Found:
        """`live` are files in staging that requests are working on at this moment; they are left alone."""
        with meaning():
            self._make_empty_directories()
            agreed = self._agreed_uploads()
            found = Found()
            for name in self._filesystem.names(self._layout.files):
                if names.is_shard(name):
                    self._read_shard(self._layout.files / name, agreed, found.files)
            self._sweep_staging(live, agreed, {file.file_id for file in found.files}, found)
            return found

    def _make_empty_directories(self) -> None:
        """A copied data root may lack what was empty. `files` it may not lack: that would be an archive lost."""
        for directory in (self._layout.staging, self._layout.quarantine):
            if not self._filesystem.exists(directory):
                self._filesystem.mkdir(directory)

    def _agreed_uploads(self) -> dict[UUID, Agreement]:
        agreed = {}
        for name in self._filesystem.names(self._layout.staging):
            if (upload_id := names.id_of_upload(name)) is not None:
                with contextlib.suppress(ValueError):
                    agreed[upload_id] = self._staged.agreement(upload_id)
        return agreed

    def _read_shard(self, shard: Path, agreed: dict[UUID, Agreement], files: list[File]) -> None:
        present = self._filesystem.names(shard)
        data = {file_id for name in present if (file_id := names.id_of_data(name)) is not None}
        for name in present:
            if (file_id := names.id_of_attributes(name)) is not None and self._layout.shard(file_id) == shard:
                data.discard(file_id)
                self._read_file(file_id, files)
        for file_id in data:
            self._handle_orphan(file_id, agreed)

    def _read_file(self, file_id: UUID, files: list[File]) -> None:
        try:
            file = self._committed.attributes(file_id).public()
        except (FileDamaged, NotFound):
            self._report("a record cannot be read", str(file_id))
            return
        if self._committed.size(file_id) != file.size:
            self._report("data is missing or of another size", str(file_id))
            file = file.model_copy(update={"status": FileStatus.DAMAGED})
        files.append(file)

    def _handle_orphan(self, file_id: UUID, agreed: dict[UUID, Agreement]) -> None:
        data, part = self._layout.data(file_id), self._layout.part(file_id)
        if file_id in agreed and not self._filesystem.exists(part):
            self._filesystem.rename(data, part)
            self._report("a completion was cut short; the upload can go on", str(file_id))
        else:
            self._filesystem.rename(data, self._layout.set_aside(data))
            self._report("data without a record was set aside", str(file_id))

    def _sweep_staging(
        self, live: Collection[Path], agreed: dict[UUID, Agreement], committed: Collection[UUID], found: Found
    ) -> None:
        present = self._filesystem.names(self._layout.staging)
        parts = {upload_id for name in present if (upload_id := names.id_of_part(name)) is not None}
        going_on = (parts & agreed.keys()) - set(committed)
        for name in present:
            path = self._layout.staging / name
            upload_id = names.id_of_part(name) or names.id_of_upload(name)
            leftover = names.is_temporary(name) if upload_id is None else upload_id not in going_on
            if leftover and path not in live:
                self._filesystem.unlink(path)
                self._report("an interrupted upload was cleared", name)
        for upload_id in sorted(going_on):
            found.uploads.append((agreed[upload_id], self._staged.measure(upload_id)))

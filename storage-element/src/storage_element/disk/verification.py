"""Looking through a whole data root: every record, every checksum, what belongs to nobody, the log. Changes nothing."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from uuid import UUID

from artstore_core.errors import NotFound, StorageUnavailable
from artstore_core.files import Attributes, FileStatus

from storage_element.disk.committed import CommittedFiles
from storage_element.disk.durable import Durable
from storage_element.disk.every_record import concerns_one_file
from storage_element.disk.failures import meaning
from storage_element.disk.filesystem import FileSystem
from storage_element.disk.identity import Identity
from storage_element.disk.inspector import Inspector
from storage_element.disk.layout import Layout
from storage_element.disk.opening import lock_root
from storage_element.disk.wal.reader import LogDamaged, LogReader, Tail
from storage_element.disk.wal.segments import Segments
from storage_element.store.changes import THE_ELEMENT

Progress = Callable[[int, int, int, int], None]
"""Takes shards done and all of them, files and bytes read so far."""


@dataclass(frozen=True, slots=True)
class Problem:
    """`kind` is one of: record unreadable, record missing, data missing, size mismatch, checksum mismatch, recorded as
    damaged, data unreadable, stranger, log damaged, mode unreadable. `path` is below the data directory."""

    kind: str
    path: str
    file_id: UUID | None = None
    detail: str = ""

    def fields(self) -> dict[str, Any]:
        file_id = None if self.file_id is None else str(self.file_id)
        return {"kind": self.kind, "path": self.path, "file_id": file_id, "detail": self.detail}


@dataclass
class Findings:
    """Sizes in bytes. `pending` are files that the log says more of than the directory: not checked."""

    storage_id: str
    files: int = 0
    bytes: int = 0
    by_status: dict[str, int] = field(default_factory=dict)
    pending: int = 0
    log_records: int = 0
    torn_tail: str | None = None
    staged: int = 0
    quarantined: int = 0
    problems: list[Problem] = field(default_factory=list)

    def fields(self) -> dict[str, Any]:
        """For JSON."""
        return {
            "storage_id": self.storage_id,
            "ok": not self.problems,
            "files": self.files,
            "bytes": self.bytes,
            "by_status": self.by_status,
            "log": {"records": self.log_records, "torn_tail": self.torn_tail, "files_not_applied": self.pending},
            "staged": self.staged,
            "quarantined": self.quarantined,
            "problems": [problem.fields() for problem in self.problems],
        }


class Verification:
    """One reading of the directory `root` of the element `storage_id`."""

    def __init__(self, root: Path, filesystem: FileSystem, storage_id: str) -> None:
        self._layout, self._filesystem, self._storage_id = Layout(root), filesystem, storage_id
        durable = Durable(filesystem)
        self._identity = Identity(self._layout, filesystem, durable, storage_id)
        committed = CommittedFiles(self._layout, filesystem)
        self._inspector = Inspector(self._layout, filesystem, durable, committed, self._identity.check)
        self._segments = Segments(self._layout.wal, filesystem, durable)
        self._found = Findings(storage_id)
        self._pending: set[UUID] = set()

    def run(self, progress: Progress) -> Findings:
        """Raises StorageUnavailable where the directory is not this element's, or another process has it (RootInUse)."""
        lock = lock_root(self._layout, self._filesystem)
        try:
            self._identity.check()
            self._mode()
            self._log()
            for name in self._inspector.strangers():
                self._add("stranger", f"files/{name}")
            shards = sorted(self._inspector.shards())
            for number, shard in enumerate(shards):
                progress(number, len(shards), self._found.files, self._found.bytes)
                self._shard(shard)
            progress(len(shards), len(shards), self._found.files, self._found.bytes)
            self._found.staged = self._count(self._layout.staging)
            self._found.quarantined = self._count(self._layout.quarantine)
            return self._found
        finally:
            self._filesystem.close(lock)

    def _mode(self) -> None:
        try:
            self._identity.mode()
        except StorageUnavailable:
            self._add("mode unreadable", self._layout.mode.name)

    def _log(self) -> None:
        reader = LogReader(self._segments, self._filesystem, self._storage_id)
        try:
            with meaning():
                if not self._filesystem.exists(self._layout.wal):
                    return
                for part in reader.everything():
                    if isinstance(part, Tail):
                        self._found.torn_tail = f"wal/{part.path.name}, byte {part.offset}: {part.reason}"
                    else:
                        ids = [logged.change.file_id for logged in part.checked()]
                        self._found.log_records += len(ids)
                        self._pending.update(ids)
        except LogDamaged as damage:
            self._add("log damaged", f"wal/{damage.path.name}", detail=f"byte {damage.offset}: {damage.reason}")
        self._pending.discard(THE_ELEMENT)
        self._found.pending = len(self._pending)

    def _shard(self, shard: str) -> None:
        names = self._inspector.shard(shard)
        for stranger in names.strangers:
            self._add("stranger", f"files/{stranger}")
        for file_id in sorted(names.records | names.data):
            if file_id in self._pending:
                continue
            if file_id in names.records:
                self._file(file_id)
            else:
                self._add("record missing", self._data(file_id), file_id)

    def _file(self, file_id: UUID) -> None:
        self._found.files += 1
        path = str(self._layout.attributes(file_id).relative_to(self._layout.root))
        try:
            seen = self._inspector.seen(file_id)
        except StorageUnavailable as error:
            concerns_one_file(error, self._identity.check)
            self._add("record unreadable", path, file_id, str(error.__cause__))
            return
        if seen.record is None:
            self._add("record unreadable", path, file_id)
            return
        status = seen.record.status.value
        self._found.by_status[status] = self._found.by_status.get(status, 0) + 1
        if seen.record.status is FileStatus.DAMAGED:
            self._add("recorded as damaged", self._data(file_id), file_id, seen.record.damage or "")
        elif seen.size is None:
            self._add("data missing", self._data(file_id), file_id)
        elif seen.size != seen.record.size:
            self._add("size mismatch", self._data(file_id), file_id, f"{seen.size}, not {seen.record.size} bytes")
        else:
            self._bytes(seen.record)

    def _bytes(self, record: Attributes) -> None:
        try:
            hashing = self._inspector.hashing(record.file_id)
            try:
                while not hashing.done:
                    hashing.advance()
            finally:
                hashing.close()
        except NotFound:
            self._add("data missing", self._data(record.file_id), record.file_id)
        except StorageUnavailable as error:
            self._identity.check()
            self._add(
                "data unreadable", self._data(record.file_id), record.file_id, str(error.__cause__ or error.message)
            )
        else:
            self._found.bytes += hashing.size
            if (checksum := hashing.checksum()) != record.checksum:
                detail = f"{checksum}, not {record.checksum}"
                self._add("checksum mismatch", self._data(record.file_id), record.file_id, detail)

    def _data(self, file_id: UUID) -> str:
        return str(self._layout.data(file_id).relative_to(self._layout.root))

    def _count(self, directory: Path) -> int:
        with meaning():
            return len(self._filesystem.names(directory)) if self._filesystem.exists(directory) else 0

    def _add(self, kind: str, path: str, file_id: UUID | None = None, detail: str = "") -> None:
        self._found.problems.append(Problem(kind, path, file_id, detail))

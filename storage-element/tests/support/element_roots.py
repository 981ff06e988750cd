"""A data root without an element around it: opened, changed and opened again as a test wants."""

from __future__ import annotations

from datetime import UTC, datetime
from hashlib import sha256
from pathlib import Path
from typing import Any, Final
from uuid import UUID

from artstore_core.attr_json import encode
from artstore_core.files import Attributes
from artstore_core.modes import Mode
from artstore_core.retention import RetentionPolicy
from storage_element.disk.filesystem import FileSystem, RealFileSystem
from storage_element.disk.root import DataRoot, Found
from storage_element.store.agreement import Agreement
from storage_element.store.changes import Change, ChangeKind, Logged

NOW: Final = datetime(2026, 11, 21, tzinfo=UTC)
STORAGE_ID: Final = "se-1"
ONE: Final = UUID("01920000-0000-7000-8000-0000000000ab")
DATA: Final = b"some bytes"


def file_id(number: int) -> UUID:
    return UUID(int=ONE.int + number)


def record(number: UUID = ONE, data: bytes = DATA, **changes: Any) -> Attributes:
    return Attributes(
        **{
            "file_id": number,
            "original_filename": "отчёт.txt",
            "content_type": "text/plain",
            "size": len(data),
            "checksum": sha256(data).hexdigest(),
            "uploaded_by": "sa:x",
            "uploaded_at": NOW,
            "retention_policy": RetentionPolicy.PERMANENT,
        }
        | changes
    )


def put(number: UUID = ONE, data: bytes = DATA, **changes: Any) -> Change:
    """A small file, bytes and all."""
    attributes = record(number, data, **changes)
    return Change(ChangeKind.PUT, number, encode(attributes), attributes, body=data)


def change(kind: ChangeKind, number: UUID = ONE, data: bytes = DATA, **changes: Any) -> Change:
    attributes = record(number, data, **changes)
    return Change(kind, number, encode(attributes), attributes)


class Root:
    """A data root in mode edit, and what its recovery reported."""

    def __init__(
        self, path: Path, filesystem: FileSystem | None = None, storage_id: str = STORAGE_ID, *, make: bool = True
    ) -> None:
        self.path, self.reports = path, list[tuple[str, str]]()
        self._storage_id = storage_id
        self.disk = self._disk(filesystem or RealFileSystem())
        if make:
            self.disk.initialise(Mode.EDIT, NOW)

    def _disk(self, filesystem: FileSystem) -> DataRoot:
        return DataRoot(
            self.path, filesystem, self._storage_id, lambda *found: self.reports.append(found), now=lambda: NOW
        )

    def open(self) -> Found:
        return self.disk.open_root()

    def close(self) -> None:
        """As a process ends that is killed: nothing is applied, nothing flushed."""
        self.disk.close_root()

    def again(self, filesystem: FileSystem | None = None) -> Found:
        """Another process; `reports` are its own."""
        self.close()
        self.reports.clear()
        self.disk = self._disk(filesystem or RealFileSystem())
        return self.open()

    def append(self, *changes: Change) -> list[Logged]:
        return self.disk.append(changes)

    def perform(self, *changes: Change) -> None:
        """Logged and put into their places."""
        logged = self.append(*changes)
        for one in logged:
            self.disk.apply(one)
        self.disk.index_changes(logged)

    def checkpoint(self) -> None:
        self.disk.rotate_log()
        self.disk.make_durable()
        self.disk.drop_log()

    def stage(self, data: bytes = DATA, number: UUID = ONE) -> Change:
        """The change of a large file: its bytes are in staging, flushed."""
        writer = self.disk.new_writer()
        writer.write(data)
        name = self.disk.make_staged(writer)
        self.disk.release(writer)
        attributes = record(number, data)
        return Change(ChangeKind.PUT, number, encode(attributes), attributes, staged=name)

    def read(self, number: UUID = ONE) -> bytes:
        attributes = self.disk.attributes(number)
        reader = self.disk.open(attributes)
        try:
            return reader.read(0, attributes.size)
        finally:
            reader.close()

    def names(self, directory: str) -> list[str]:
        return sorted(path.name for path in (self.path / directory).rglob("*") if path.is_file())

    def listed(self) -> list[UUID]:
        items, _, _ = self.disk.index.page(limit=1000, offset=0, after=None, status=None, now=NOW)
        return [file.file_id for file in items]

    def segments(self) -> list[Path]:
        return sorted((self.path / "wal").iterdir())


def begin(root: Root, upload_id: UUID = ONE) -> Agreement:
    """An upload, and bytes of it that a client was told of."""
    agreement = Agreement(upload_id, 100, NOW)
    root.disk.begin_upload(agreement)
    writer = root.disk.resume_upload(upload_id, None)
    writer.write(DATA)
    writer.flush()
    writer.close()
    agreement = agreement.with_received(len(DATA))
    root.append(agreement.change())
    return agreement


def flipped(data: bytes, bit: int) -> bytes:
    """With one bit of it the other way round."""
    made = bytearray(data)
    made[bit // 8] ^= 1 << bit % 8
    return bytes(made)

"""Parts of an upload that come in any order, and what is asked of the disk for them. `disk.staged_parts` fulfils it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Protocol
from uuid import UUID

from storage_element.store.agreement import Agreement


@dataclass(frozen=True, slots=True)
class Part:
    """One that is there, flushed: its bytes, and their SHA-256 in hex, which is its entity tag."""

    length: int
    sha256: str


class RunningHash(Protocol):
    """Of a file's first `size` bytes."""

    @property
    def size(self) -> int: ...
    def hexdigest(self) -> str: ...


class PartWriter(Protocol):
    """One part that is being received, into its place. `flush` may run beside `write`."""

    @property
    def size(self) -> int:
        """Bytes of the part so far."""
        ...

    def write(self, piece: bytes) -> None: ...

    def flush(self) -> None: ...

    def checksum(self) -> str:
        """SHA-256 in hex of what was written."""
        ...

    def close(self) -> None: ...


class PartsDisk(Protocol):
    """Synchronous: run in worker threads. All raise StorageUnavailable, NotFound for an upload that is gone, and what
    writes also StorageFull."""

    def read(self, agreement: Agreement) -> Mapping[int, Part]:
        """The parts that are noted, by number."""
        ...

    def open(self, upload_id: UUID, offset: int) -> PartWriter: ...

    def note(self, upload_id: UUID, number: int, part: Part | None) -> None:
        """That a part is there, or, with None, that it is not; durable when this returns."""
        ...

    def checksum(self, upload_id: UUID, offset: int, length: int) -> str:
        """SHA-256 in hex of bytes as they lie on the disk."""
        ...

    def hash_on(self, upload_id: UUID, known: Any, until: int) -> RunningHash:
        """A hash of the first `until` bytes, made from `known`, which may be None and stays as it is."""
        ...

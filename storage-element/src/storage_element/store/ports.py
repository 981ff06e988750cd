"""What the store asks of the world. `disk.root.DataRoot` fulfils it; tests may bring their own."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from datetime import datetime
from pathlib import Path
from typing import Any, Protocol
from uuid import UUID

from artstore_core.files import Attributes, File, FileStatus
from artstore_core.modes import Mode

Clock = Callable[[], datetime]
"""The time now, with its zone."""


class Usage(Protocol):
    """Bytes of the filesystem."""

    @property
    def total(self) -> int: ...
    @property
    def free(self) -> int: ...


class Agreement(Protocol):
    """A resumable upload as it was reserved; `size` in bytes is the most it may grow to."""

    @property
    def upload_id(self) -> UUID: ...
    @property
    def size(self) -> int | None: ...
    @property
    def created_at(self) -> datetime: ...


class Found(Protocol):
    """What a data root holds: its files, and its uploads with the bytes that each has."""

    @property
    def files(self) -> list[File]: ...
    @property
    def uploads(self) -> Sequence[tuple[Agreement, int]]: ...


class Reader(Protocol):
    def read(self, offset: int, length: int) -> bytes:
        """Exactly `length` bytes. Raises FileDamaged, StorageUnavailable."""
        ...

    def close(self) -> None: ...


class Writer(Protocol):
    """A file that is being received. One thread at a time, but that `flush` may run beside `write`."""

    @property
    def path(self) -> Path: ...
    @property
    def size(self) -> int: ...

    def write(self, piece: bytes) -> None:
        """Raises StorageFull, StorageUnavailable; bytes written before that count in `size`."""
        ...

    def flush(self) -> None:
        """Raises StorageUnavailable, from then on always (requirement S4)."""
        ...

    def checksum(self) -> str:
        """SHA-256 in hex of all that was written."""
        ...

    def running(self) -> Any:
        """The hash so far, for `Disk.resume_upload` of the same upload; opaque."""
        ...

    def take_back(self) -> None:
        """Undoes what this writer wrote."""
        ...

    def close(self) -> None:
        """Once more does nothing."""
        ...


class Disk(Protocol):
    """Synchronous: run in worker threads. Everything may raise StorageUnavailable (503), and what writes also
    StorageFull (507)."""

    @property
    def failed(self) -> bool:
        """A flush failed: nothing is acknowledged any more until a restart."""
        ...

    def check(self) -> None:
        """Raises StorageUnavailable unless the marker is there and this element's."""
        ...

    def mode(self) -> Mode: ...

    def recover(self) -> Found:
        """Clears what interrupted requests left, and reads what there is. Nothing may change files meanwhile."""
        ...

    def usage(self) -> Usage: ...

    def attributes(self, file_id: UUID) -> Attributes:
        """Raises NotFound, FileDamaged."""
        ...

    def open(self, attributes: Attributes) -> Reader:
        """Raises FileDamaged."""
        ...

    def new_writer(self) -> Writer: ...

    def discard(self, writer: Writer) -> None:
        """Closes it and removes its file. Never raises."""
        ...

    def commit(self, writer: Writer, attributes: Attributes) -> None:
        """Makes the file exist, durably, and closes the writer; when it raises, the writer is still open."""
        ...

    def confirm(self, file_id: UUID) -> None:
        """Makes a file that exists durable, for the case that whoever committed it died before it was."""
        ...

    def begin_upload(self, agreement: Agreement) -> None: ...

    def measure_upload(self, upload_id: UUID) -> int:
        """Raises NotFound."""
        ...

    def last_received(self, upload_id: UUID) -> datetime:
        """When bytes last came, as the disk tells. Raises NotFound where there is no file for them."""
        ...

    def resume_upload(self, upload_id: UUID, known: Any) -> Writer:
        """At its measured end. Raises NotFound."""
        ...

    def forget_upload(self, upload_id: UUID) -> None:
        """Never raises; what stays behind is cleared at the next start."""
        ...


class Index(Protocol):
    """The files in the order of their ids: a copy of what the records say, made anew at every start."""

    @property
    def used_bytes(self) -> int: ...

    def fill(self, files: Iterable[File]) -> None:
        """Replaces everything."""
        ...

    def add(self, file: File) -> None: ...

    def get(self, file_id: UUID) -> File | None: ...

    def page(
        self, *, limit: int, offset: int, after: UUID | None, status: FileStatus | None, now: datetime
    ) -> tuple[list[File], int, bool]:
        """A page, the number of all that match, and whether more follow. With `after`, from the next id on."""
        ...

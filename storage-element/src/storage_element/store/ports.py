"""What the store asks of the world. `disk.root.DataRoot` fulfils it; tests may bring their own."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from pathlib import Path
from typing import Any, Final, Protocol
from uuid import UUID

from artstore_core.errors import StorageUnavailable
from artstore_core.files import Attributes, File, FileStatus
from artstore_core.modes import Mode

from storage_element.store.agreement import Agreement
from storage_element.store.changes import Change, Logged
from storage_element.store.part import PartsDisk

SHA256: Final = "sha256"


class NeedsOperator(StorageUnavailable):
    """Trying again changes nothing: somebody has to see to it, and then to start the element anew."""


class NotGivenOut(StorageUnavailable):
    """The disk is there, and cannot read what lies in this one place."""


class RebuildNeeded(StorageUnavailable):
    """The index cannot be trusted. It is a copy: opening the disk again makes it anew."""


Clock = Callable[[], datetime]
"""The time now, with its zone."""


class Usage(Protocol):
    """Bytes of the filesystem."""

    @property
    def total(self) -> int: ...
    @property
    def free(self) -> int: ...


class Found(Protocol):
    """What a data root holds when it is opened: its mode, its uploads with the bytes that each has, its quarantine."""

    @property
    def mode(self) -> Mode: ...
    @property
    def uploads(self) -> Sequence[tuple[Agreement, int]]: ...
    @property
    def quarantine_bytes(self) -> int: ...


class Reader(Protocol):
    @property
    def at_hand(self) -> bool:
        """All of it is in memory: reading and closing wait for nothing."""
        ...

    def read(self, offset: int, length: int) -> bytes:
        """Exactly `length` bytes. Raises FileDamaged, StorageUnavailable."""
        ...

    def close(self) -> None: ...


class StagedReader(Reader, Protocol):
    """An upload's bytes, `size` of them. Raises Conflict where they were taken away meanwhile."""

    @property
    def size(self) -> int: ...
    @property
    def handle(self) -> int:
        """For `Writer.copy_from`."""
        ...


class Writer(Protocol):
    """A file that is being received. One thread at a time, but that `flush` may run beside `write`, and `flush` and
    `hash_on` beside `copy_from`."""

    @property
    def path(self) -> Path: ...
    @property
    def size(self) -> int: ...

    def write(self, piece: bytes) -> None:
        """Raises StorageFull, StorageUnavailable; bytes written before that count in `size`."""
        ...

    def copy_from(self, source: int, offset: int, length: int) -> None:
        """Adds bytes of a StagedReader's `handle`. Raises as `write` does."""
        ...

    def flush(self) -> None:
        """Raises StorageUnavailable, from then on always (requirement S4)."""
        ...

    def hash_on(self, until: int) -> None:
        """Hashes what `copy_from` added, up to so many bytes of the file, for `checksum` not to have to."""
        ...

    def hash_body(self, algorithm: str = SHA256) -> None:
        """Hashes what is written from here on by itself, too. `algorithm` is hashlib's name."""
        ...

    def body_checksum(self) -> str:
        """In hex, of what was written since `hash_body`."""
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

    @property
    def parts(self) -> PartsDisk: ...

    @property
    def index(self) -> Index:
        """Of the opened root. Raises StorageUnavailable."""
        ...

    @property
    def log_bytes(self) -> int: ...

    def open_root(self) -> Found:
        """Puts in order what interrupted work left. Nothing may change files meanwhile. Raises StorageFull, too."""
        ...

    def close_root(self) -> None:
        """Lets go of it; what is logged and not applied is applied by the next opening. Never raises."""
        ...

    def append(self, changes: Sequence[Change]) -> list[Logged]:
        """The changes, durable, with their numbers. Raises StorageFull with nothing written."""
        ...

    def apply(self, logged: Logged) -> None:
        """Puts a change into its place, which is not flushed. Doing it again does no harm. Raises FileDamaged where the
        bytes of a PUT are gone."""
        ...

    def index_changes(self, done: Sequence[Logged]) -> None:
        """Tells the index of what was applied."""
        ...

    def rotate_log(self) -> int:
        """Begins a new segment of the log; gives the last sequence number in those before it."""
        ...

    def make_durable(self) -> None:
        """Flushes everything that was applied."""
        ...

    def drop_log(self) -> None:
        """Removes the segments before the last one: what they hold is durable in its places."""
        ...

    def drop_staged(self, staged: Sequence[str]) -> None:
        """Removes names in staging whose bytes have another. Never raises."""
        ...

    def last_known(self, file_id: UUID) -> Attributes:
        """As `attributes`, but of a record that cannot be read, or went away, it gives what the index says, as damaged:
        who keeps a copy must not take such a file for deleted (requirement S7). Raises NotFound."""
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
        """Closes it and removes its file, unless that was released. Never raises."""
        ...

    def make_staged(self, writer: Writer) -> str:
        """Flushes what was received, its name as well; gives the name that a change may have it under."""
        ...

    def open_staged(self, name: str, attributes: Attributes) -> Reader:
        """As `open`, for bytes that are promised and still in staging."""
        ...

    def release(self, writer: Writer) -> None:
        """Closes it; its file is the log's now."""
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

    def open_upload(self, upload_id: UUID) -> StagedReader:
        """Raises NotFound."""
        ...

    def restart_upload(self, upload_id: UUID) -> Writer:
        """The upload cut to nothing, for `Writer.copy_from`. Raises NotFound."""
        ...

    def forget_upload(self, upload_id: UUID) -> None:
        """Never raises; what stays behind is cleared at the next start."""
        ...


class Index(Protocol):
    """A copy of what the records say, to list and count them. Several may read while one applies."""

    @property
    def epoch(self) -> UUID:
        """Sequence numbers mean something within one epoch."""
        ...

    @property
    def applied(self) -> int:
        """The last change that it knows of."""
        ...

    @property
    def used_bytes(self) -> int: ...

    @property
    def counts(self) -> Mapping[FileStatus, int]:
        """By the status that is written."""
        ...

    @property
    def trimmed(self) -> int:
        """Who followed the changes no further than this must walk all files anew."""
        ...

    def get(self, file_id: UUID) -> Attributes | None: ...

    def page(
        self, *, limit: int, offset: int, after: UUID | None, status: FileStatus | None, now: datetime
    ) -> tuple[list[File], int, bool]:
        """A page, the number of all that match, and whether more follow. With `after`, from the next id on."""
        ...

    def changes(self, after: int, limit: int, now: datetime) -> tuple[list[tuple[int, File]], bool]:
        """The files that changed since, each once, by the sequence number of its last change; whether more follow."""
        ...

    def to_purge(self, now: datetime, limit: int) -> list[UUID]:
        """Files that are deleted, or expired by now."""
        ...

    def trim(self, before: datetime) -> int:
        """Forgets files that were purged before then; gives how many."""
        ...

    def shard(self, shard: str) -> dict[UUID, Attributes]: ...

"""What maintenance asks of the disk, beside what files need. `disk.inspector.Inspector` fulfils it.

Synchronous, for worker threads. All of it may raise StorageUnavailable, and what writes also StorageFull.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from typing import Final, Protocol
from uuid import UUID

from artstore_core.files import Attributes

SHARDS: Final = 4096
NO_CHECKSUM: Final = "0" * 64
"""In the record of a file of which nothing can be said but that it is there."""


@dataclass(frozen=True, slots=True)
class ShardNames:
    """What lies in one directory of `files`; `strangers` are names that the element would not make there."""

    records: frozenset[UUID]
    data: frozenset[UUID]
    strangers: Collection[str]


@dataclass(frozen=True, slots=True)
class Seen:
    """One file as it lies there. `record` is None where it is missing, or `unreadable`; `size` is the data's, None
    where that is missing."""

    record: Attributes | None
    unreadable: bool
    size: int | None


class Hashing(Protocol):
    """A reading of all bytes of one file, step by step; the page cache keeps nothing of it."""

    @property
    def done(self) -> bool: ...
    @property
    def size(self) -> int:
        """How many bytes were read so far."""
        ...

    def advance(self) -> int:
        """Reads on, a few MiB; gives how many bytes that were."""
        ...

    def checksum(self) -> str:
        """SHA-256 in hex of what was read."""
        ...

    def close(self) -> None:
        """Once more does nothing."""
        ...


class Notes(Protocol):
    """Small files in maintenance/, one for each name."""

    def load(self, name: str) -> bytes | None:
        """None where there is none, nothing where it cannot be read. Raises StorageUnavailable."""
        ...

    def save(self, name: str, content: bytes) -> None:
        """Survives a power cut when it returns."""
        ...


class Inspection(Notes, Protocol):
    def shards(self) -> set[str]:
        """Those that have a directory."""
        ...

    def strangers(self) -> list[str]:
        """Names in `files` that are no shards."""
        ...

    def shard(self, shard: str) -> ShardNames:
        """Empty where there is no such directory."""
        ...

    def seen(self, file_id: UUID) -> Seen: ...

    def hashing(self, file_id: UUID) -> Hashing:
        """Begins with the first bytes read. Raises NotFound where there is no data."""
        ...

    def make_place(self, file_id: UUID) -> None:
        """Makes sure of the directory that the file belongs into: who took its record away may have taken that."""
        ...

    def set_aside_data(self, file_id: UUID) -> int:
        """Puts data without a record into quarantine; gives its size. Raises NotFound where there is none."""
        ...

    def keep_record(self, file_id: UUID) -> int:
        """Keeps a record that cannot be read in quarantine too, before it is replaced; gives the bytes that are there
        only for that, none where it is kept already or gone."""
        ...

    def set_aside_unreadable(self, file_id: UUID) -> int | None:
        """Puts a record that the disk does not give out into quarantine, by its name alone; gives its size, or None for
        one that is gone or can be read: nothing is done then."""
        ...

    def quarantine_bytes(self) -> int: ...

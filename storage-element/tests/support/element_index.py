"""Records for the index, and the questions that every test asks of it."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from uuid import UUID

from artstore_core.files import Attributes, FileStatus
from artstore_core.retention import RetentionPolicy
from storage_element.disk.index import Limits, SqliteIndex

NOW = datetime(2026, 11, 21, tzinfo=UTC)
STORAGE_ID = "se-index-1"
EPOCH = UUID(int=1)


def record(number: int, size: int = 1, expires_at: datetime | None = None, **changes: Any) -> Attributes:
    """Of the file with that number for its id."""
    return Attributes(
        file_id=UUID(int=number),
        original_filename="отчёт.pdf",
        content_type="text/plain",
        size=size,
        checksum="0" * 64,
        uploaded_by="sa:x",
        uploaded_at=NOW,
        retention_policy=RetentionPolicy.PERMANENT,
        expires_at=expires_at,
    ).model_copy(update=changes)


def walk(index: SqliteIndex, limit: int, status: FileStatus | None = None, now: datetime = NOW) -> list[UUID]:
    """By key."""
    seen: list[UUID] = []
    after, more = None, True
    while more:
        items, _, more = index.page(limit=limit, offset=0, after=after, status=status, now=now)
        seen += [file.file_id for file in items]
        after = seen[-1] if seen else None
    return seen


def leaf_through(index: SqliteIndex, limit: int, status: FileStatus | None = None, now: datetime = NOW) -> list[UUID]:
    """By offset; looks at the totals as well."""
    seen: list[UUID] = []
    more = True
    while more:
        items, total, more = index.page(limit=limit, offset=len(seen), after=None, status=status, now=now)
        seen += [file.file_id for file in items]
        assert more == (len(seen) < total)
    assert len(seen) == total
    return seen


def feed(
    index: SqliteIndex, after: int = 0, limit: int = 100, now: datetime = NOW
) -> list[tuple[int, int, FileStatus]]:
    """Sequence number, number of the file, status."""
    seen: list[tuple[int, int, FileStatus]] = []
    more = True
    while more:
        items, more = index.changes(after, limit, now)
        seen += [(sequence, file.file_id.int, file.status) for sequence, file in items]
        after = seen[-1][0] if seen else after
    return seen


@dataclass
class Place:
    """Where an index is: in a file, which can be opened again, or in memory, where `reopen` changes nothing."""

    path: Path | None
    limits: Limits = field(default_factory=Limits)
    time: datetime = NOW

    def __post_init__(self) -> None:
        self.index = SqliteIndex.create(self.path, STORAGE_ID, EPOCH, clock=lambda: self.time, limits=self.limits)
        self.index.fill(())

    def reopen(self) -> SqliteIndex:
        if self.path is not None:
            self.index.close()
            self.index = SqliteIndex.open(self.path, STORAGE_ID, clock=lambda: self.time, limits=self.limits)
        return self.index

    def advance(self, **by: float) -> None:
        self.time += timedelta(**by)


def fill(path: Path, files: int) -> None:
    """Makes an index there, of that many files, and closes it."""
    with closing(SqliteIndex.create(path, STORAGE_ID, EPOCH)) as index:
        index.fill(record(number) for number in range(1, files + 1))


@contextmanager
def place(path: Path | None, limits: Limits | None = None) -> Iterator[Place]:
    made = Place(path, limits or Limits())
    try:
        yield made
    finally:
        made.index.close()

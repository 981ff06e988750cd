"""The index in memory: sorted by id, which for UUIDv7 is the order of upload."""

from __future__ import annotations

from bisect import bisect_right, insort
from collections.abc import Iterable
from datetime import datetime
from itertools import islice
from uuid import UUID

from artstore_core.files import File, FileStatus


class MemoryIndex:
    """Fulfils `store.ports.Index`. A page without a status filter costs what it holds; with one, what there is."""

    def __init__(self) -> None:
        self._ids: list[UUID] = []
        self._files: dict[UUID, File] = {}
        self._used_bytes = 0

    @property
    def used_bytes(self) -> int:
        return self._used_bytes

    def fill(self, files: Iterable[File]) -> None:
        self._files = {file.file_id: file for file in files}
        self._ids = sorted(self._files)
        self._used_bytes = sum(file.size for file in self._files.values())

    def add(self, file: File) -> None:
        old = self._files.get(file.file_id)
        if old is None:
            insort(self._ids, file.file_id)
        self._files[file.file_id] = file
        self._used_bytes += file.size - (old.size if old else 0)

    def get(self, file_id: UUID) -> File | None:
        return self._files.get(file_id)

    def page(
        self, *, limit: int, offset: int, after: UUID | None, status: FileStatus | None, now: datetime
    ) -> tuple[list[File], int, bool]:
        ids = self._ids
        if status is not None:
            ids = [file_id for file_id in ids if current_status(self._files[file_id], now) is status]
        start = offset if after is None else bisect_right(ids, after)
        chosen = islice(ids, start, start + limit)
        items = [as_of(self._files[file_id], now) for file_id in chosen]
        return items, len(ids), start + len(items) < len(ids)


def current_status(file: File, now: datetime) -> FileStatus:
    """A file expires by the clock, with nothing written anywhere."""
    if file.status is FileStatus.ACTIVE and file.is_expired(now):
        return FileStatus.EXPIRED
    return file.status


def as_of(file: File, now: datetime) -> File:
    status = current_status(file, now)
    return file if status is file.status else file.model_copy(update={"status": status})

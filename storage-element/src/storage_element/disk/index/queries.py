"""What is read from the index: SQL, each with what it costs."""

from __future__ import annotations

import sqlite3
from datetime import datetime
from typing import Any, Final
from uuid import UUID

from artstore_core.files import Attributes, File, FileStatus

from storage_element.disk.index.connections import transaction
from storage_element.disk.index.rows import CODES, attributes_of, file_of, id_of, microseconds
from storage_element.disk.index.schema import load_state

_ACTIVE: Final = CODES[FileStatus.ACTIVE]
_EXPIRED: Final = CODES[FileStatus.EXPIRED]
_DELETED: Final = CODES[FileStatus.DELETED]

# Each gives (sequence, id) from one covering index: an offset steps over entries of that index and over nothing else.
_EVERY: Final = "SELECT sequence, id FROM files INDEXED BY by_id WHERE id > :after"
_STILL_ACTIVE: Final = f"{_EVERY} AND status = {_ACTIVE} AND (expires_at IS NULL OR expires_at > :now)"
_WITH_STATUS: Final = (
    "SELECT sequence, id FROM files INDEXED BY by_status WHERE status = :status AND status <> 0 AND id > :after"
)
_OVERDUE: Final = (
    f"FROM files INDEXED BY by_expiry WHERE expires_at IS NOT NULL AND expires_at <= :now AND status = {_ACTIVE}"
)
# What expired by the clock lies in the order of its end, and is sorted: as much as GC has not come to yet.
_NO_LONGER_ACTIVE: Final = f"{_WITH_STATUS} UNION ALL SELECT sequence, id {_OVERDUE} AND id > :after"

_COUNT_OVERDUE: Final = f"SELECT count(*) {_OVERDUE}"

_GET: Final = "SELECT record FROM files WHERE id = ?"

_CHANGES: Final = """
SELECT sequence, record, 0 FROM files WHERE sequence > :after
UNION ALL SELECT sequence, record, 1 FROM tombstones WHERE sequence > :after
ORDER BY sequence LIMIT :limit
"""

_DONE_WITH: Final = f"""
SELECT id FROM files INDEXED BY by_status WHERE status IN ({_EXPIRED}, {_DELETED}) AND status <> 0 LIMIT :limit
"""
_OUTLIVED: Final = f"""
SELECT id FROM files INDEXED BY by_expiry
WHERE expires_at IS NOT NULL AND expires_at <= :now AND status NOT IN ({_EXPIRED}, {_DELETED}) LIMIT :limit
"""

_SHARD: Final = "SELECT files.id, record FROM shards CROSS JOIN files ON files.id = shards.id WHERE shard = ?"


def get(connection: sqlite3.Connection, file_id: UUID) -> Attributes | None:
    row = connection.execute(_GET, (file_id.bytes,)).fetchone()
    return None if row is None else attributes_of(row[0])


def page(
    connection: sqlite3.Connection,
    limit: int,
    offset: int,
    after: UUID | None,
    status: FileStatus | None,
    now: datetime,
) -> tuple[list[File], int, bool]:
    """Total and page are of one moment."""
    values = {
        "after": b"" if after is None else after.bytes,
        "status": None if status is None else CODES[status],
        "now": microseconds(now),
        "limit": limit + 1,
        "offset": offset if after is None else 0,
    }
    with transaction(connection, "DEFERRED"):
        total = _total(connection, status, values)
        records = [record for (record,) in connection.execute(page_of(status), values)]
    return [file_of(record, now) for record in records[:limit]], total, len(records) > limit


def page_of(status: FileStatus | None) -> str:
    chosen = {None: _EVERY, FileStatus.ACTIVE: _STILL_ACTIVE, FileStatus.EXPIRED: _NO_LONGER_ACTIVE}
    return f"""
        SELECT record FROM ({chosen.get(status, _WITH_STATUS)} ORDER BY id LIMIT :limit OFFSET :offset) AS chosen
        CROSS JOIN files ON files.sequence = chosen.sequence ORDER BY chosen.id
    """


def _total(connection: sqlite3.Connection, status: FileStatus | None, values: dict[str, Any]) -> int:
    counts = load_state(connection).counts
    if status is None:
        return sum(counts)
    if status in (FileStatus.DAMAGED, FileStatus.DELETED):
        return counts[CODES[status]]
    overdue = int(connection.execute(_COUNT_OVERDUE, values).fetchone()[0])
    return counts[CODES[status]] + (overdue if status is FileStatus.EXPIRED else -overdue)


def changes(
    connection: sqlite3.Connection, after: int, limit: int, now: datetime
) -> tuple[list[tuple[int, File]], bool]:
    rows = connection.execute(_CHANGES, {"after": after, "limit": limit + 1}).fetchall()
    return [(sequence, file_of(record, now, purged=bool(purged))) for sequence, record, purged in rows[:limit]], len(
        rows
    ) > limit


def to_purge(connection: sqlite3.Connection, now: datetime, limit: int) -> list[UUID]:
    found = connection.execute(_DONE_WITH, {"limit": limit}).fetchall()
    if len(found) < limit:
        found += connection.execute(_OUTLIVED, {"now": microseconds(now), "limit": limit - len(found)}).fetchall()
    return [id_of(key) for (key,) in found]


def shard(connection: sqlite3.Connection, name: str) -> dict[UUID, Attributes]:
    return {id_of(key): attributes_of(record) for key, record in connection.execute(_SHARD, (name,)).fetchall()}

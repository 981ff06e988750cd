"""The registry as a file that can be compared: every row that is not deleted, every column that attr.json holds."""

from __future__ import annotations

import asyncio
import hashlib
import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from itertools import islice
from pathlib import Path
from typing import Any

import asyncpg
from artstore_core.attr_json import decode
from artstore_core.files import Attributes, File, FileStatus
from artstore_testing.postgres import Database

from bench.registry_stage import ask

COLUMNS = [*File.model_fields, "storage_element_id"]
_SELECTED = ", ".join(COLUMNS)
_LIVE = f"SELECT {_SELECTED} FROM files WHERE status <> 'deleted' ORDER BY file_id"
_SOME = f"SELECT {_SELECTED} FROM files WHERE status <> 'deleted' AND file_id = ANY ($1)"
_BATCH = 1000


@dataclass(frozen=True)
class Export:
    """`path` holds PostgreSQL's COPY format: a line a row, ordered by id."""

    path: Path
    rows: int
    sha256: str


def export(database: Database, path: Path) -> Export:
    return asyncio.run(_export(database, path))


async def _export(database: Database, path: Path) -> Export:
    connection = await asyncpg.connect(database.url("postgres"), server_settings={"timezone": "UTC"})
    try:
        told = await connection.copy_from_query(_LIVE, output=path, format="text")
    finally:
        await connection.close()
    with path.open("rb") as file:
        digest = hashlib.file_digest(file, "sha256").hexdigest()
    return Export(path, int(told.split()[-1]), digest)


def values(database: Database) -> dict[str, int]:
    """How many different values each column has: where all have the same, a comparison says little."""
    counts = ", ".join(f"count(DISTINCT coalesce({name}::text, 'null')) AS {name}" for name in COLUMNS)
    return dict(ask(database, f"SELECT {counts} FROM files WHERE status <> 'deleted'")[0])


def differences(before: Export, after: Export) -> Iterator[str]:
    """Row by row, in words."""
    for one, other in _unequal(before.path, after.path):
        if one is None or other is None:
            yield f"{_id(one or other or '')}: {'not there before' if one is None else 'not there after'}"
            continue
        pairs = zip(COLUMNS, one.split("\t"), other.split("\t"), strict=True)
        yield f"{_id(one)}: " + "; ".join(f"{name}: {was!r}, now {now!r}" for name, was, now in pairs if was != now)


def _unequal(before: Path, after: Path) -> Iterator[tuple[str | None, str | None]]:
    # COPY writes a line break in a value as two characters, so a line is a row; but only \n ends one.
    with before.open(encoding="utf-8", newline="\n") as left, after.open(encoding="utf-8", newline="\n") as right:
        one, other = next(left, None), next(right, None)
        while one is not None or other is not None:
            first = other is None or (one is not None and _id(one) <= _id(other))
            second = one is None or (other is not None and _id(other) <= _id(one))
            if not (first and second and one == other):
                yield one if first else None, other if second else None
            one = next(left, None) if first else one
            other = next(right, None) if second else other


def _id(line: str) -> str:
    return line.split("\t", 1)[0]


def beside_disks(database: Database, roots: Mapping[str, Path]) -> tuple[int, list[str]]:
    """How many records there are on the disks that are not deleted, and what the registry has otherwise than they.

    `roots`: data roots by storage id, of elements that made a checkpoint and changed nothing since.
    """
    return asyncio.run(_beside_disks(database, roots))


async def _beside_disks(database: Database, roots: Mapping[str, Path]) -> tuple[int, list[str]]:
    connection = await asyncpg.connect(database.url("postgres"))
    await connection.set_type_codec("jsonb", encoder=json.dumps, decoder=json.loads, schema="pg_catalog", format="text")
    there, found = 0, list[str]()
    try:
        for storage_id, root in roots.items():
            paths = (root / "files").glob("*/*.attr.json")
            while some := list(islice(paths, _BATCH)):
                wanted = _rows_of(storage_id, some)
                rows = await connection.fetch(_SOME, [row["file_id"] for row in wanted])
                there += len(wanted)
                found += _otherwise(wanted, rows)
        held = await connection.fetchval("SELECT count(*) FROM files WHERE status <> 'deleted'")
    finally:
        await connection.close()
    return there, found if held == there else [*found, f"{held} rows in the registry, {there} records on the disks"]


def _rows_of(storage_id: str, paths: Iterable[Path]) -> list[dict[str, Any]]:
    records, now = [decode(path.read_bytes()) for path in paths], datetime.now(UTC)
    live = [record for record in records if record.status is not FileStatus.DELETED]
    return [_row_of(record, now) | {"storage_element_id": storage_id} for record in live]


def _row_of(record: Attributes, now: datetime) -> dict[str, Any]:
    """As the element shows it: a file expires by the clock."""
    over = record.status is FileStatus.ACTIVE and record.is_expired(now)
    fields = {name: getattr(record, name) for name in File.model_fields}
    return fields | ({"status": FileStatus.EXPIRED} if over else {})


def _otherwise(wanted: Sequence[Mapping[str, Any]], rows: Sequence[asyncpg.Record]) -> Iterator[str]:
    held = {row["file_id"]: dict(row) for row in rows}
    for fields in wanted:
        row = held.get(fields["file_id"])
        if row != fields:
            yield f"{fields['file_id']}: the disk has {fields}, the registry {row}"

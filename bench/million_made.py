"""Writes many small files with their attr.json, as an element would have left them after a checkpoint."""

from __future__ import annotations

import hashlib
import os
import random
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path
from typing import Any
from uuid import UUID

import uuid_utils
from artstore_core.attr_json import encode
from artstore_core.files import Attributes, FileStatus
from artstore_core.retention import RetentionPolicy, expiry

_BATCH = 10_000
_SHARDS = 4096

Make = Callable[[UUID], tuple[Attributes, bytes]]
"""A file of this id: its record and its bytes. A function of a module, for other processes call it."""


def uniform(file_id: UUID) -> tuple[Attributes, bytes]:
    """One like the other, but for its name and its bytes."""
    data = file_id.bytes * 4
    attributes = Attributes(
        file_id=file_id,
        original_filename=f"scan-{file_id.hex[-6:]}.pdf",
        content_type="application/pdf",
        size=len(data),
        checksum=hashlib.sha256(data).hexdigest(),
        uploaded_by="sa:sa_scanner_x7k2",
        uploaded_at=datetime.now(UTC),
        description="made for a benchmark",
        tags=["invoice", "north"],
        metadata={"project": "north", "box": 17},
        retention_policy=RetentionPolicy.PERMANENT,
    )
    return attributes, data


def varied(file_id: UUID) -> tuple[Attributes, bytes]:
    """A permanent file, and everything else as different as attr.json allows."""
    return _varied(file_id, random.Random(file_id.int))


def passing(file_id: UUID) -> tuple[Attributes, bytes]:
    """As on an element of mode edit: every third is temporary, some of these are over, and some files are deleted."""
    drawn = random.Random(file_id.int)
    attributes, data = _varied(file_id, drawn)
    if drawn.random() < 1 / 3:
        attributes = attributes.model_copy(update=_temporary(drawn))
    if drawn.random() < 1 / 50:
        gone = {"status": FileStatus.DELETED, "deleted_at": datetime.now(UTC), "deleted_by": "user:anna"}
        attributes = attributes.model_copy(update=gone | {"revision": attributes.revision + 1})
    return attributes, data


def make_files(root: Path, count: int, make: Make = uniform) -> bool:
    """Fills an initialised data root; False when that was done before."""
    done = root.parent / f"{root.name}.made"
    if done.exists():
        return False
    for number in range(_SHARDS):
        (root / "files" / f"{number:03x}").mkdir(exist_ok=True)
    sizes = [min(_BATCH, count - start) for start in range(0, count, _BATCH)]
    with ProcessPoolExecutor(os.cpu_count()) as pool:
        list(pool.map(partial(_make_batch, root, make), sizes))
    os.sync()
    done.touch()
    return True


def _make_batch(root: Path, make: Make, count: int) -> None:
    for file_id in [UUID(int=uuid_utils.uuid7().int) for _ in range(count)]:
        shard = root / "files" / file_id.hex[-3:]
        attributes, data = make(file_id)
        _write(shard / f"{file_id}.data", data)
        _write(shard / f"{file_id}.attr.json", encode(attributes))


def _varied(file_id: UUID, drawn: random.Random) -> tuple[Attributes, bytes]:
    data = drawn.randbytes(drawn.randrange(200))
    damaged = drawn.random() < 1 / 100
    attributes = Attributes(
        file_id=file_id,
        original_filename=_name(file_id, drawn),
        content_type=drawn.choice(["application/pdf", "text/plain; charset=utf-8", "image/x-ms.b+xml", 'a/b;c="d\'"']),
        size=len(data),
        checksum=hashlib.sha256(data).hexdigest(),
        uploaded_by=drawn.choice(["sa:sa_scanner_x7k2", "user:anna", "user:ольга", f"sa:sa_{drawn.randrange(50)}_a"]),
        uploaded_at=datetime(2015, 1, 1, tzinfo=UTC) + drawn.random() * timedelta(days=3000),
        description=drawn.choice([None, "", "годовой\nотчёт\r\n", 'tab\t and \\N "quotes"\u2028', "word " * 300]),
        tags=drawn.sample(["invoice", "скан", 'quo"ted', "a,b", "{x}", "NULL", "back\\slash", "🗄"], drawn.randrange(5)),
        metadata=_metadata(drawn),
        status=FileStatus.DAMAGED if damaged else FileStatus.ACTIVE,
        damage="made so" if damaged else None,
        retention_policy=RetentionPolicy.PERMANENT,
        revision=drawn.choice([1, 1, 1, 2, 7, 2**31 - 2]),
    )
    return attributes, data


def _name(file_id: UUID, drawn: random.Random) -> str:
    some = ["scan-", "отчёт «1» ", " 'a' \"b\" ", "C:\\x\\", "../", "日本語 ", "é🗄", "%s {0} $1 ", "long" * 200]
    return f"{drawn.choice(some)}{file_id.hex[-6:]}{drawn.choice(['.pdf', '.PDF', '.tar.gz', '', '.é'])}"


def _metadata(drawn: random.Random) -> dict[str, Any]:
    number = drawn.randrange(10**9)
    found: dict[str, Any] = drawn.choice(
        [
            {},
            {"project": "north", "box": number},
            {"b": 1, "a": [1, 2.5, None, True, {"ключ": ""}], "": "an empty name"},
            {"big": 2**63, "small": -1.5e-10, "tenth": 0.1, "text": 'a\\b"c\n\u2028🗄'},
            {"deep": {"er": {"and": {"deeper": [[[number]]]}}}},
        ]
    )
    return found


def _temporary(drawn: random.Random) -> dict[str, Any]:
    """Over long ago, or not before tomorrow: a file expires by the clock, and none may do so while it is compared."""
    days, now = drawn.randrange(3, 366), datetime.now(UTC)
    age = timedelta(days=days + 30) if drawn.random() < 1 / 10 else drawn.random() * timedelta(days=days - 2)
    changes = {"uploaded_at": now - age, "ttl_days": days, "expires_at": expiry(now - age, days)}
    return changes | {"retention_policy": RetentionPolicy.TEMPORARY}


def _write(path: Path, content: bytes) -> None:
    handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o644)
    try:
        os.write(handle, content)
    finally:
        os.close(handle)

"""Writes many small files with their attr.json, as an element would have left them after a checkpoint."""

from __future__ import annotations

import hashlib
import os
from concurrent.futures import ProcessPoolExecutor
from datetime import UTC, datetime
from pathlib import Path
from uuid import UUID

import uuid_utils
from artstore_core.attr_json import encode
from artstore_core.files import Attributes
from artstore_core.retention import RetentionPolicy

_BATCH = 10_000
_SHARDS = 4096


def make_files(root: Path, count: int) -> bool:
    """Fills an initialised data root; False when that was done before."""
    done = root.parent / f"{root.name}.made"
    if done.exists():
        return False
    for number in range(_SHARDS):
        (root / "files" / f"{number:03x}").mkdir(exist_ok=True)
    sizes = [min(_BATCH, count - start) for start in range(0, count, _BATCH)]
    with ProcessPoolExecutor(os.cpu_count()) as pool:
        list(pool.map(_make_batch, [root] * len(sizes), sizes))
    os.sync()
    done.touch()
    return True


def _make_batch(root: Path, count: int) -> None:
    for file_id in [UUID(int=uuid_utils.uuid7().int) for _ in range(count)]:
        shard = root / "files" / file_id.hex[-3:]
        data = file_id.bytes * 4
        _write(shard / f"{file_id}.data", data)
        _write(shard / f"{file_id}.attr.json", _record(file_id, data))


def _record(file_id: UUID, data: bytes) -> bytes:
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
    return encode(attributes)


def _write(path: Path, content: bytes) -> None:
    handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o644)
    try:
        os.write(handle, content)
    finally:
        os.close(handle)

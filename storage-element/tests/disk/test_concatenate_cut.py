"""A power cut at every instant of a concatenation: the bytes are in the parts, or in the whole, and never in neither."""

from __future__ import annotations

import contextlib
import os
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from uuid import UUID, uuid4

import pytest
from artstore_core.errors import NotFound
from element_disks import SimulatedDisk
from element_fate import fates
from storage_element.disk.durable import Durable
from storage_element.disk.filesystem import FileSystem, Usage
from storage_element.disk.layout import Layout
from storage_element.disk.staged import StagedReader, StagedUploads
from storage_element.disk.writer import Writer
from storage_element.store.agreement import Agreement
from storage_element.store.capacity import Capacity
from storage_element.store.concatenate import Concatenation
from storage_element.store.upload import Upload
from storage_element.store.workers import Workers

TOP = Path("/simulated/root")
TARGET, PARTS = uuid4(), (uuid4(), uuid4(), uuid4())
BYTES = {part: os.urandom(length) for part, length in zip(PARTS, (3000, 1, 5000), strict=True)}
WHOLE = b"".join(BYTES.values())
WHEN = datetime(2026, 11, 22, tzinfo=UTC)


class Staging:
    """As much of `ports.Disk` as a concatenation asks for."""

    def __init__(self, filesystem: FileSystem) -> None:
        self.uploads = StagedUploads(Layout(TOP), filesystem, Durable(filesystem))

    def usage(self) -> Usage:
        return Usage(1 << 40, 1 << 40)

    def measure_upload(self, upload_id: UUID) -> int:
        return self.uploads.measure(upload_id)

    def open_upload(self, upload_id: UUID) -> StagedReader:
        return self.uploads.open(upload_id)

    def restart_upload(self, upload_id: UUID) -> Writer:
        return self.uploads.restart(upload_id)

    def release(self, writer: Writer) -> None:
        writer.close()

    def agree_upload(self, agreement: Agreement) -> None:
        self.uploads.agree(agreement)


class Open:
    """Stands for the element: empty, and lets everything through."""

    used_bytes = 0

    @asynccontextmanager
    async def changing(self) -> AsyncIterator[None]:
        yield


@pytest.fixture
def workers() -> Iterator[Workers]:
    made = Workers(2, 1)
    yield made
    made.close()


async def join(disk: Any, workers: Workers) -> None:
    staging: Any = Staging(disk)
    capacity, element = Capacity(None), Open()
    agreement = staging.uploads.agreement(TARGET)
    target = Upload(agreement, capacity.hold_existing(0, 0))

    async def agree(upload: Upload, changed: Agreement) -> None:
        await workers.run(staging.agree_upload, changed)
        upload.agreement = changed

    joining: Any = Concatenation(staging, element, capacity, workers, agree, 1 << 40)  # type: ignore[arg-type]
    if not (target.joined and target.parts):
        await joining.run(TARGET, target, PARTS)
        disk.mark("joined")
    for part in PARTS:
        staging.uploads.forget(part)


def prepared(**options: Any) -> SimulatedDisk:
    """An element's staging with three parts and a target, all durable."""
    disk = SimulatedDisk(TOP, **options)
    for directory in (Layout(TOP).staging, Layout(TOP).quarantine):
        disk.mkdir(directory)
    disk.fsync_dir(TOP)
    uploads = Staging(disk).uploads
    for upload_id in (TARGET, *PARTS):
        uploads.begin(Agreement(upload_id, None, WHEN))
    for part, data in BYTES.items():
        writer = uploads.resume(part, None)
        writer.write(data)
        writer.flush()
        writer.close()
    return disk


def content(staging: Staging, upload_id: UUID) -> bytes | None:
    with contextlib.suppress(NotFound, FileNotFoundError, ValueError):
        staging.uploads.agreement(upload_id)
        reader = staging.uploads.open(upload_id)
        try:
            return reader.read(0, reader.size) if reader.size else b""
        finally:
            reader.close()
    return None


def lost(disk: SimulatedDisk, *, joined: bool) -> str | None:
    """What a start after the cut would miss."""
    staging = Staging(disk)
    target = staging.uploads.agreement(TARGET)
    if target.parts and target.joined:
        return None if content(staging, TARGET) == WHOLE else "the whole is not what its parts were"
    if joined:
        return "what was acknowledged is not there"
    missing = [part for part in PARTS if content(staging, part) != BYTES[part]]
    return f"{len(missing)} parts are gone, and the whole is not there" if missing else None


async def test_no_cut_loses_a_byte_and_the_same_request_goes_on(workers: Workers) -> None:
    disk = prepared()
    disk.record()
    await join(disk, workers)
    cuts = 0
    for cut in disk.cuts(fates(100)):
        cuts += 1
        assert (found := lost(cut.disk, joined="joined" in cut.marks)) is None, f"{cut}: {found}"
        await join(cut.disk, workers)
        assert content(Staging(cut.disk), TARGET) == WHOLE, str(cut)
    print(f"{cuts} cuts")  # noqa: T201
    assert cuts > 100


@pytest.mark.parametrize(
    ("call", "suffix"), [("fsync", ".part"), ("fsync", ".tmp"), ("fsync_dir", "staging")], ids=lambda value: str(value)
)
async def test_a_flush_that_is_left_out_is_noticed(workers: Workers, call: str, suffix: str) -> None:
    recording = False

    def loses(made: str, path: Path) -> bool:
        return recording and made == call and path.name.endswith(suffix)

    disk = prepared(loses=loses)
    recording = True
    disk.record()
    await join(disk, workers)
    found = []
    for cut in disk.cuts(fates(20)):
        with contextlib.suppress(ValueError, FileNotFoundError):  # an agreement that cannot be read is a loss as well
            if lost(cut.disk, joined="joined" in cut.marks) is None:
                continue
        found.append(cut)
    assert found

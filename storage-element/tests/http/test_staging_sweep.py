"""Unfinished uploads that nobody goes on with are removed, and their room with them; others never are."""

from __future__ import annotations

import asyncio
import os
from datetime import timedelta
from pathlib import Path
from typing import Any
from uuid import uuid4

from element_slow_body import SlowBody
from storage_element.disk.filesystem import RealFileSystem
from structlog.testing import capture_logs

MIB = 1024 * 1024
LIMIT = 3600.0
LATER = timedelta(seconds=LIMIT + 60)


async def sweep(api: Any) -> None:
    await api.app.state.sweep.once()


async def test_abandoned_upload_is_removed_and_its_room_released(make: Any) -> None:
    api = await make.start(capacity_bytes=10, staging_seconds=LIMIT)
    upload_id = uuid4()
    await api.begin(upload_id, 8)
    await api.append(upload_id, 0, b"hello")
    api.clock.advance(timedelta(seconds=LIMIT - 60))
    await sweep(api)
    assert (await api.client.head(f"/api/v1/uploads/{upload_id}")).headers["upload-offset"] == "5"
    api.clock.advance(timedelta(seconds=120))
    with capture_logs() as said:
        await sweep(api)
    assert api.files() == []
    assert (await api.client.get("/api/v1/info")).json()["available_bytes"] == 10
    for answer in (
        await api.client.head(f"/api/v1/uploads/{upload_id}"),
        await api.append(upload_id, 5, b"x"),
        await api.complete(upload_id),
    ):
        assert answer.status_code == 404
    (event,) = [event for event in said if str(upload_id) in map(str, event.values())]
    assert event["bytes"] == 5
    assert (await api.begin(upload_id, 10)).status_code == 201


async def test_parts_of_one_upload_last_as_long_as_each_other(make: Any) -> None:
    api = await make.start(staging_seconds=LIMIT)
    whole, first, last, other = (uuid4() for _ in range(4))
    for upload_id, part_of in ((first, whole), (last, whole), (other, None)):
        body = {"size": 5, "part_of": None if part_of is None else str(part_of)}
        answer = await api.client.post(f"/api/v1/uploads/{upload_id}", json=body)
        assert answer.status_code == 201, answer.text
        assert (await api.client.post(f"/api/v1/uploads/{upload_id}", json=body)).status_code == 200
        assert (await api.begin(upload_id, 5)).status_code == (200 if part_of is None else 409)
    for upload_id in (first, other):
        assert (await api.append(upload_id, 0, b"hello")).status_code == 204
    api.clock.advance(LATER)
    # The last part comes slowly: by its file's time, which the disk gives, something has just come for it.
    now = api.clock.time.timestamp()
    os.utime(api.root / "staging" / f"{last}.part", (now, now))
    await sweep(api)
    assert [(await api.client.head(f"/api/v1/uploads/{one}")).status_code for one in (first, last, other)] == [
        200,
        200,
        404,
    ]
    await make.stop()
    api = await make.start(staging_seconds=LIMIT)  # it is remembered
    await sweep(api)
    assert (await api.client.head(f"/api/v1/uploads/{first}")).headers["upload-offset"] == "5"
    api.clock.advance(LATER)
    await sweep(api)
    assert api.files() == []


async def test_upload_lasts_as_long_as_the_parts_that_it_waits_for(make: Any) -> None:
    api = await make.start(staging_seconds=LIMIT)
    whole, part = uuid4(), uuid4()
    await api.begin(whole, 5)
    await api.client.post(f"/api/v1/uploads/{part}", json={"size": 5, "part_of": str(whole)})
    await api.append(part, 0, b"hello")
    api.clock.advance(LATER)
    now = api.clock.time.timestamp()
    os.utime(api.root / "staging" / f"{part}.part", (now, now))
    await sweep(api)
    answer = await api.client.post(f"/api/v1/uploads/{whole}/concatenate", json={"parts": [str(part)]})
    assert (answer.status_code, answer.json()["offset"]) == (200, 5)


async def test_upload_that_was_never_appended_to_is_abandoned_too(make: Any) -> None:
    api = await make.start(staging_seconds=LIMIT)
    await api.begin(uuid4(), 8)
    api.clock.advance(LATER)
    await sweep(api)
    assert api.files() == []


async def test_upload_whose_bytes_are_gone_is_as_old_as_its_beginning(make: Any, root: Path) -> None:
    api = await make.start(capacity_bytes=10, staging_seconds=LIMIT)
    upload_id = uuid4()
    await api.begin(upload_id, 8)
    (root / "staging" / f"{upload_id}.part").unlink()
    await sweep(api)
    assert api.files() == [f"{upload_id}.upload.json"]
    api.clock.advance(LATER)
    await sweep(api)
    assert api.files() == []
    assert (await api.begin(uuid4(), 10)).status_code == 201


async def test_what_is_abandoned_is_swept_at_start_and_then_again(make: Any) -> None:
    """By the element itself, with nobody asking."""
    removed: asyncio.Queue[str] = asyncio.Queue()
    loop = asyncio.get_running_loop()

    class Telling(RealFileSystem):
        def unlink(self, path: Path) -> None:
            super().unlink(path)
            if path.suffix == ".part":  # the last to go
                loop.call_soon_threadsafe(removed.put_nowait, path.stem)

    api = await make.start(staging_seconds=1)
    first, second = uuid4(), uuid4()
    await api.begin(first, 8)
    await make.stop()
    make.clock.advance(LATER)
    api = await make.start(staging_seconds=1, filesystem=Telling())
    assert await asyncio.wait_for(removed.get(), 5) == str(first)
    await api.begin(second, 8)
    make.clock.advance(LATER)
    assert await asyncio.wait_for(removed.get(), 5) == str(second)
    assert api.files() == []


async def test_append_under_way_is_never_removed(make: Any) -> None:
    api = await make.start(staging_seconds=LIMIT)
    upload_id, body = uuid4(), SlowBody()
    await api.begin(upload_id, 2 * MIB)
    append = asyncio.create_task(api.append(upload_id, 0, body.pieces()))
    await body.under_way.wait()
    api.clock.advance(LATER)
    await sweep(api)
    body.go_on.set()
    assert (await append).status_code == 204
    assert (await api.complete(upload_id, size=2 * MIB)).status_code == 201


def unmount(root: Path) -> None:
    root.rename(root.parent / "away")


def remount(root: Path) -> None:
    (root.parent / "away").rename(root)


async def test_disk_that_is_away_loses_no_upload(make: Any, root: Path) -> None:
    api = await make.start(staging_seconds=LIMIT, marker_check_seconds=60)
    upload_id = uuid4()
    await api.begin(upload_id, 8)
    api.clock.advance(LATER)
    unmount(root)
    await sweep(api)
    remount(root)
    assert api.files() == [f"{upload_id}.part", f"{upload_id}.upload.json"]


async def test_active_upload_is_looked_at_without_being_locked(make: Any) -> None:
    """A client that goes on beside a sweep must not be told that somebody else is at work."""
    looking, go_on = asyncio.Event(), asyncio.Event()
    loop = asyncio.get_running_loop()

    class Slow(RealFileSystem):
        def modified(self, path: Path) -> float:
            loop.call_soon_threadsafe(looking.set)
            asyncio.run_coroutine_threadsafe(go_on.wait(), loop).result(10)
            return super().modified(path)

    api = await make.start(staging_seconds=LIMIT, filesystem=Slow())
    upload_id = uuid4()
    await api.begin(upload_id, 8)
    sweeping = asyncio.create_task(sweep(api))
    try:
        await asyncio.wait_for(looking.wait(), 5)
        assert (await api.append(upload_id, 0, b"x")).status_code == 204
    finally:
        go_on.set()
        await sweeping
